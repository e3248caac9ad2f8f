"""A data card in the words of other standards: one module for each, with one function `render`."""
