"""The 18 requirements of OWASP LLMSVS chapter V2, "Model Lifecycle", in our own words.

The standard's own text: https://owasp.org/www-project-llm-verification-standard/. Passing checks is
evidence towards a requirement, not a certification.
"""

from __future__ import annotations

from typing import NamedTuple


class Requirement(NamedTuple):
    """One requirement: its number, the level (1, 2 or 3) from which it applies, and what it asks for."""

    number: str
    level: int
    asks: str


REQUIREMENTS = (
    Requirement("2.1", 2, "The model lifecycle is part of the secure development process, with a process per stage."),
    Requirement("2.2", 2, "Each new model has user stories and use cases."),
    Requirement("2.3", 1, "Training data come from trustworthy sources and are checked for errors and for malice."),
    Requirement("2.4", 2, "Data are protected from unauthorised change once they have been acquired."),
    Requirement("2.5", 3, "The source of every dataset is documented."),
    Requirement("2.6", 3, "Cleaning and other changes of data are tracked and can be audited."),
    Requirement("2.7", 1, "Licences and other rights in the data are checked, and the check can be audited."),
    Requirement("2.8", 2, "Data are searched for sensitive content, and cleaned of it."),
    Requirement("2.9", 1, "Foundation and pre-trained models are acquired and stored securely."),
    Requirement("2.10", 1, "Models are kept in safe formats such as safetensors, not in pickles."),
    Requirement("2.11", 2, "Foundation models are fine-tuned in a way that limits irrelevant data."),
    Requirement("2.12", 2, "It is checked which laws and regulations apply to the data."),
    Requirement("2.13", 3, "Every model has a machine learning bill of materials."),
    Requirement("2.14", 3, "Watermarking of the model's output has been considered."),
    Requirement("2.15", 2, "Bias and fairness tools are used in the lifecycle."),
    Requirement("2.16", 2, "Tools that test the security of language models are used in the lifecycle."),
    Requirement("2.17", 3, "A risk assessment comes before deployment, and decides on it."),
    Requirement("2.18", 3, "There is a plan to take models out of service and to erase them securely."),
)


def requirement(number: str) -> Requirement | None:
    """The requirement with this number, such as ``2.10``, or None."""
    return next((found for found in REQUIREMENTS if found.number == number), None)
