// Whether ajv, the usual validator of JavaScript, finds JSON values valid: a schema and values in, true or false for each.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.argv[2]}/package.json`);
const Ajv = require("ajv/dist/2020").default;
const { schema, formats, values } = JSON.parse(readFileSync(0, "utf8"));
// Not strict: x-says is a keyword of ours that says nothing to a validator.
const ajv = new Ajv({ strict: false, validateFormats: formats });
if (formats) require("ajv-formats").default(ajv);
const validate = ajv.compile(schema);
process.stdout.write(JSON.stringify(values.map((value) => validate(value))));
