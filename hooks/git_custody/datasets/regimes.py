"""What the law asks of datasets, as rows: facts of a data card, the answers that they call for, and what cannot be.

Each row cites the provision that it rests on, and stands only for what that provision asks without doubt and a field of
the card can answer. docs/regulation.md is generated from these tables; nothing here is legal advice.
"""

from __future__ import annotations

from typing import NamedTuple

Fact = str | bool


class Anything:
    """The value of a fact for which it is enough that the field is there."""


class Past:
    """The value of a fact that holds from the day after the one that the field names."""


# Fields of the data card in dotted notation, each with the values that count. All of them have to hold; in a list, one
# item is enough.
When = tuple[tuple[str, "tuple[Fact, ...] | Anything | Past"], ...]


class Ask(NamedTuple):
    """An answer that facts call for: one of the fields in `needs`.

    A need of ``regulatory_reviews`` is a review under this regime, of this content, that still counts.
    """

    name: str
    when: When
    needs: tuple[str, ...]
    source: str


class Clash(NamedTuple):
    """Facts that cannot all be so under a regime; `says` is the sentence that tells why."""

    name: str
    when: When
    says: str
    source: str


class Regime(NamedTuple):
    """A law, or a part of one, that a policy can name by its `id`. `short` is what people call it."""

    id: str
    short: str
    title: str
    jurisdiction: str
    url: str
    asks: tuple[Ask, ...]
    clashes: tuple[Clash, ...] = ()

    @property
    def rows(self) -> tuple[Ask | Clash, ...]:
        """All of its rows."""
        return (*self.asks, *self.clashes)


_CONTACT = ("erasure_contact", "stewards")
_ACCOUNTABLE = ("stewards", "erasure_contact")
_IDENTIFIED: When = (("personal_data", ("personal", "special-category")),)
_PERSONAL: When = (("personal_data", ("pseudonymised", "personal", "special-category")),)
_SPECIAL: When = (("personal_data", ("special-category",)),)
_HEALTH: When = (("data_categories", ("phi",)),)
_CONSENT: When = (("lawful_basis", ("consent",)),)
_TRAINING: When = (("permitted_use", ("train", "finetune")),)
_DEIDENTIFIED: When = (("hipaa", ("safe-harbor", "expert-determination")),)


def _kept_too_long(facts: When, source: str) -> Clash:
    said = "retention.delete_by is past, and the data are still here: remove them with their card, or correct the day"
    return Clash("kept-too-long", (*facts, ("retention.delete_by", Past())), said, source)


# Regulation (EU) 2016/679. Pseudonymised data are personal data (recital 26), and data about health are a special
# category (Articles 4(15) and 9(1)).
_GDPR = (
    Ask("lawful-basis", _PERSONAL, ("lawful_basis",), "Article 6(1)"),
    Ask("retention", _PERSONAL, ("retention",), "Article 5(1)(e)"),
    Ask("contact", _PERSONAL, _CONTACT, "Articles 12(2) and 17(1)"),
    Ask("special-category", _SPECIAL, ("article_9_condition",), "Article 9(2)"),
    Ask(
        "pseudonymised-health",
        (("personal_data", ("pseudonymised",)), *_HEALTH),
        ("article_9_condition",),
        "Articles 4(15) and 9(2)",
    ),
    Ask("consent", (*_PERSONAL, *_CONSENT), ("consent",), "Article 7(3)"),
    Ask(
        "explicit-consent",
        (*_PERSONAL, ("article_9_condition", ("explicit-consent",))),
        ("consent",),
        "Articles 7(3) and 9(2)(a)",
    ),
)
_GDPR_CLASHES = (
    _kept_too_long(_PERSONAL, "Article 5(1)(e)"),
    Clash(
        "retention-undecided",
        (*_PERSONAL, ("retention.review_by", Past())),
        "retention.review_by is past: decide how long the data are kept, and write the next day or delete_by",
        "Article 5(1)(e) and recital 39",
    ),
    Clash(
        "ordinary-health",
        (("personal_data", ("personal",)), *_HEALTH),
        'data_categories names phi, and data about health are a special category: write "personal_data: '
        'special-category"',
        "Articles 4(15) and 9(1)",
    ),
    Clash(
        "condition-without-category",
        (("personal_data", ("personal",)), ("article_9_condition", Anything())),
        "article_9_condition is about special categories, and personal_data does not say that there are any: write "
        '"personal_data: special-category", or take the condition away',
        "Article 9",
    ),
    Clash(
        "anonymous-with-identifiers",
        (("personal_data", ("anonymised",)), ("data_categories", ("pii",))),
        "personal_data is anonymised while data_categories names pii, and what identifies people is not anonymous: "
        "take pii away if there is none, else correct personal_data",
        "Article 4(1) and recital 26",
    ),
)

# Part 2 of the Commission's template for the public summary (C(2025) 8311): 2.1 publicly available datasets, 2.2
# private datasets of third parties, 2.3 crawled and scraped, 2.4 user data, 2.5 synthetic data, 2.6 other sources.
_SUMMARY = "Article 53(1)(d) and part 2 of the Commission's template"


def _category(kind: str, *wrong: str, means: str) -> Clash:
    facts: When = (("source.kind", (kind,)), ("eu_ai_act.summary_category", wrong))
    said = f"eu_ai_act.summary_category does not fit source.kind: {kind} data {means}"
    return Clash(f"category-of-{kind}", facts, said, _SUMMARY)


_EU_AI_ACT_CLASHES = (
    Clash(
        "objections-ignored",
        (*_TRAINING, ("scrape.respected", (False,))),
        "the data are for training, and scrape says that objections of rightsholders were not respected: take out what "
        "they objected to, or take training out of permitted_use",
        "Article 53(1)(c), with Article 4(3) of Directive (EU) 2019/790",
    ),
    _category("scraped", "public-dataset", means="were collected by a crawler, not published as a dataset by others"),
    _category(
        "synthetic", "public-dataset", "licensed-dataset", "crawled", "user-data", means="were made by a generator"
    ),
    _category(
        "user-data", "public-dataset", "licensed-dataset", "crawled", means="come from the users of your own service"
    ),
    _category("original", "crawled", means="were made by yourselves"),
    _category("public-download", "user-data", means="do not come from the users of your own service"),
    _category("licensed-third-party", "user-data", means="do not come from the users of your own service"),
)

_HIGH_RISK: When = (("permitted_use", ("train", "finetune", "evaluate")),)

# Personal information that a business gets from the consumers themselves, or makes about them; what was published or
# bought can be outside of these sections (Cal. Civ. Code § 1798.140(v)(2)).
_CCPA: When = (*_IDENTIFIED, ("source.kind", ("user-data", "original", "internal")))
# Personal information that an operator collects online from a child (16 CFR § 312.2).
_COPPA: When = (("data_categories", ("children",)), ("source.kind", ("user-data",)))

REGIMES = (
    Regime(
        "gdpr", "GDPR", "General Data Protection Regulation, Regulation (EU) 2016/679", "European Union and EEA",
        "https://eur-lex.europa.eu/eli/reg/2016/679/oj", _GDPR, _GDPR_CLASHES,
    ),
    Regime(
        "uk-gdpr", "UK GDPR",
        "UK General Data Protection Regulation, the assimilated Regulation (EU) 2016/679", "United Kingdom",
        "https://www.legislation.gov.uk/eur/2016/679/contents", _GDPR, _GDPR_CLASHES,
    ),
    Regime(
        "eu-ai-act", "EU AI Act",
        "Artificial Intelligence Act, Regulation (EU) 2024/1689: data that train general-purpose models",
        "European Union and EEA", "https://eur-lex.europa.eu/eli/reg/2024/1689/oj",
        (
            Ask("training-summary", _TRAINING, ("eu_ai_act.summary_category",), "Article 53(1)(d)"),
            Ask(
                "objections", (("source.kind", ("scraped",)), *_TRAINING), ("scrape",),
                "Article 53(1)(c), with Article 4(3) of Directive (EU) 2019/790",
            ),
        ),
        _EU_AI_ACT_CLASHES,
    ),
    Regime(
        "eu-ai-act-high-risk", "EU AI Act (high risk)",
        "Artificial Intelligence Act, Regulation (EU) 2024/1689: training, validation and testing data of high-risk "
        "systems",
        "European Union and EEA", "https://eur-lex.europa.eu/eli/reg/2024/1689/oj",
        (
            Ask("collection", _HIGH_RISK, ("collection",), "Article 10(2)(b)"),
            Ask("preparation", (*_HIGH_RISK, ("source.kind", ("derived",))), ("processing",), "Article 10(2)(c)"),
            Ask("bias", _HIGH_RISK, ("eu_ai_act.bias_examination",), "Article 10(2)(f)"),
            Ask("gaps", _HIGH_RISK, ("eu_ai_act.gaps",), "Article 10(2)(h)"),
            Ask("representativeness", _HIGH_RISK, ("eu_ai_act.representativeness",), "Article 10(3)"),
        ),
    ),
    Regime(
        "hipaa", "HIPAA",
        "Health Insurance Portability and Accountability Act, Privacy Rule, 45 CFR Part 164, Subpart E",
        "United States", "https://www.ecfr.gov/current/title-45/subtitle-A/subchapter-C/part-164/subpart-E",
        (
            Ask("route", _HEALTH, ("hipaa",), "45 CFR § 164.502(a) and (d)"),
            Ask("method", _DEIDENTIFIED, ("anonymisation",), "45 CFR § 164.514(b)"),
            Ask(
                "determination", (("hipaa", ("expert-determination",)),), ("regulatory_reviews",),
                "45 CFR § 164.514(b)(1)",
            ),
            Ask("purpose", (("hipaa", ("limited-data-set",)),), ("intended_use",), "45 CFR § 164.514(e)(3)(i)"),
            Ask("revocation", (("hipaa", ("authorization",)),), ("consent",), "45 CFR § 164.508(b)(5) and (c)(2)(i)"),
        ),
        (
            Clash(
                "identified", (*_DEIDENTIFIED, ("personal_data", ("personal",))),
                "hipaa says that the data were de-identified, and personal_data that they identify people: correct one "
                "of them",
                "45 CFR § 164.514(a)",
            ),
        ),
    ),
    Regime(
        "coppa", "COPPA", "Children's Online Privacy Protection Rule, 16 CFR Part 312", "United States",
        "https://www.ecfr.gov/current/title-16/chapter-I/subchapter-C/part-312",
        (
            Ask("parental-consent", _COPPA, ("consent",), "16 CFR § 312.5(a)(1)"),
            Ask("parents-contact", _COPPA, _CONTACT, "16 CFR § 312.6(a)(2)"),
            Ask("retention", _COPPA, ("retention",), "16 CFR § 312.10"),
        ),
        (_kept_too_long(_COPPA, "16 CFR § 312.10"),),
    ),
    Regime(
        "ccpa", "CCPA", "California Consumer Privacy Act of 2018, as amended, Cal. Civ. Code § 1798.100 and following",
        "California",
        "https://leginfo.legislature.ca.gov/faces/codes_displaySection.xhtml?lawCode=CIV&sectionNum=1798.100",
        (
            Ask("retention", _CCPA, ("retention",), "Cal. Civ. Code § 1798.100(a)(3)"),
            Ask("contact", _CCPA, _CONTACT, "Cal. Civ. Code §§ 1798.105(a) and 1798.130(a)(1)"),
        ),
        (_kept_too_long(_CCPA, "Cal. Civ. Code § 1798.100(a)(3)"),),
    ),
    Regime(
        "pipeda", "PIPEDA",
        "Personal Information Protection and Electronic Documents Act, S.C. 2000, c. 5, Schedule 1", "Canada",
        "https://laws-lois.justice.gc.ca/eng/acts/P-8.6/",
        (
            Ask("retention", _IDENTIFIED, ("retention",), "Schedule 1, clause 4.5"),
            Ask("contact", _IDENTIFIED, _ACCOUNTABLE, "Schedule 1, clauses 4.1.2 and 4.8.2"),
            Ask("consent", (*_IDENTIFIED, *_CONSENT), ("consent",), "Schedule 1, clause 4.3.8"),
        ),
        (_kept_too_long(_IDENTIFIED, "Schedule 1, clause 4.5"),),
    ),
    Regime(
        "fadp", "FADP", "Federal Act on Data Protection of 25 September 2020, SR 235.1", "Switzerland",
        "https://www.fedlex.admin.ch/eli/cc/2022/491/en",
        (
            Ask("retention", _IDENTIFIED, ("retention",), "Article 6(4)"),
            Ask("contact", _IDENTIFIED, _ACCOUNTABLE, "Article 19(2)(a)"),
        ),
        (_kept_too_long(_IDENTIFIED, "Article 6(4)"),),
    ),
    Regime(
        "lgpd", "LGPD", "Lei Geral de Proteção de Dados Pessoais, Lei nº 13.709/2018", "Brazil",
        "https://www.planalto.gov.br/ccivil_03/_ato2015-2018/2018/lei/l13709.htm",
        (
            Ask("retention", _PERSONAL, ("retention",), "Articles 15 and 16"),
            Ask("contact", _PERSONAL, _CONTACT, "Articles 9, IV and 18"),
            Ask("consent", (*_PERSONAL, *_CONSENT), ("consent",), "Article 8, § 5"),
        ),
        (_kept_too_long(_PERSONAL, "Article 16"),),
    ),
    Regime(
        "pipl", "PIPL", "Personal Information Protection Law of 20 August 2021 (个人信息保护法)", "China",
        "http://en.npc.gov.cn.cdurl.cn/2021-12/29/c_694559.htm",
        (
            Ask("retention", _PERSONAL, ("retention",), "Articles 17 and 19"),
            Ask("contact", _PERSONAL, _CONTACT, "Articles 17 and 50"),
            Ask("consent", (*_PERSONAL, *_CONSENT), ("consent",), "Article 15"),
            Ask(
                "sensitive", (*_PERSONAL, ("data_categories", ("phi", "pfi", "spi"))), ("dpia",),
                "Articles 28 and 55(1)",
            ),
        ),
        (_kept_too_long(_PERSONAL, "Article 47(2)"),),
    ),
)  # fmt: skip
BY_ID = {regime.id: regime for regime in REGIMES}
