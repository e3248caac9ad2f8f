"""For every row of the tables of regimes a card that raises it, and one that states the same facts and does not."""

from __future__ import annotations

from typing import Any, NamedTuple

SHA256 = "ab" * 32
OTHER = "cd" * 32


class Row(NamedTuple):
    """What is added to a plain card; `other` is what a row of the same regime says besides, by its own facts."""

    bad: dict[str, Any]
    good: dict[str, Any]


CONSENT = {"withdrawal": "a mail to privacy@example.org"}
KEPT = {"delete_by": "2027-06-30"}
GONE = {"delete_by": "2026-11-25"}
MAIL = "privacy@example.org"
STEWARD = [{"role": "owner", "contact": "The data team, data@example.org"}]
ANSWERED: dict[str, Any] = {"lawful_basis": "contract", "retention": KEPT, "erasure_contact": MAIL}
PERSONAL = {"personal_data": "personal", **ANSWERED}
SPECIAL = {**PERSONAL, "personal_data": "special-category", "article_9_condition": "research"}
PSEUDONYMISED = {**PERSONAL, "personal_data": "pseudonymised"}
OWN: dict[str, Any] = {"source": {"kind": "user-data", "publisher": "Example Ltd"}}


def without(card: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {field: value for field, value in card.items() if field not in fields}


def lacks(card: dict[str, Any], field: str, value: Any = None) -> Row:
    """A row that is raised without a field, and answered by it."""
    return Row(without(card, field), {**card, field: card[field] if value is None else value})


def source(kind: str) -> dict[str, Any]:
    fetched = {"url": "https://example.org/", "retrieved": "2026-11-02"}
    fetched = fetched if kind in ("scraped", "public-download") else {}
    return {"source": {"kind": kind, "publisher": "Example Ltd", **fetched}}


def category(kind: str, wrong: str, right: str) -> Row:
    return Row(
        {**source(kind), "eu_ai_act": {"summary_category": wrong}},
        {**source(kind), "eu_ai_act": {"summary_category": right}},
    )


SCRAPE = {"opt_out": ["robots.txt"], "respected": True}
CRAWLED = {**source("scraped"), "permitted_use": ["train"], "eu_ai_act": {"summary_category": "crawled"}}
HIGH_RISK = {
    **source("derived"),
    "permitted_use": ["evaluate", "commercial"],
    "collection": {"method": "sensor"},
    "processing": [{"step": "Rows with no reading were dropped"}],
    "eu_ai_act": {
        "bias_examination": "Error rates by region, see docs/bias.md",
        "gaps": "No readings from winter",
        "representativeness": "All plants of the years 2024 and 2025",
    },
}
PHI: dict[str, Any] = {"personal_data": "special-category", "data_categories": ["phi"]}
SAFE = {**PHI, "hipaa": "safe-harbor", "anonymisation": [{"method": "the 18 identifiers were removed"}]}
REVIEW: dict[str, Any] = {
    "regime": "hipaa", "reviewer": "Dr. Example", "date": "2026-10-01", "digest": {"sha256": SHA256},
}  # fmt: skip
EXPERT = {**SAFE, "hipaa": "expert-determination", "regulatory_reviews": [REVIEW]}
CHILDREN = {
    **OWN,
    "data_categories": ["children", "pi"],
    "consent": CONSENT,
    "retention": KEPT,
    "erasure_contact": MAIL,
}
BY_CONSENT = {**PERSONAL, "lawful_basis": "consent", "consent": CONSENT}


def _act(without_part: str) -> Row:
    act = without(HIGH_RISK["eu_ai_act"], without_part)
    return Row({**HIGH_RISK, "eu_ai_act": act}, HIGH_RISK)


_GDPR = {
    "lawful-basis": lacks(PSEUDONYMISED, "lawful_basis"),
    "retention": lacks(PERSONAL, "retention", {"policy": "two years after the contract ends"}),
    "contact": Row(without(PERSONAL, "erasure_contact"), {**without(PERSONAL, "erasure_contact"), "stewards": STEWARD}),
    "special-category": lacks(SPECIAL, "article_9_condition"),
    "pseudonymised-health": Row(
        {**PSEUDONYMISED, "data_categories": ["phi"]},
        {**PSEUDONYMISED, "data_categories": ["phi"], "article_9_condition": "health-care"},
    ),
    "consent": lacks(BY_CONSENT, "consent"),
    "explicit-consent": Row(
        {**SPECIAL, "article_9_condition": "explicit-consent"},
        {**SPECIAL, "article_9_condition": "explicit-consent", "consent": CONSENT},
    ),
    "kept-too-long": Row({**PERSONAL, "retention": GONE}, {**PERSONAL, "retention": {"delete_by": "2026-11-26"}}),
    "retention-undecided": Row(
        {**PERSONAL, "retention": {"review_by": "2026-11-25"}}, {**PERSONAL, "retention": {"review_by": "2026-11-26"}}
    ),
    "ordinary-health": Row({**PERSONAL, "data_categories": ["pi", "phi"]}, {**PERSONAL, "data_categories": ["pi"]}),
    "condition-without-category": Row(
        {**PERSONAL, "article_9_condition": "made-public"}, {**SPECIAL, "article_9_condition": "made-public"}
    ),
    "anonymous-with-identifiers": Row(
        {"personal_data": "anonymised", "data_categories": ["pii"]},
        {"personal_data": "anonymised", "data_categories": ["pfi"]},
    ),
}
CASES: dict[str, dict[str, Row]] = {
    "gdpr": _GDPR,
    "uk-gdpr": _GDPR,
    "eu-ai-act": {
        "training-summary": Row(
            {"permitted_use": ["finetune"]},
            {"permitted_use": ["finetune"], "eu_ai_act": {"summary_category": "other"}},
        ),
        "objections": Row(CRAWLED, {**CRAWLED, "scrape": SCRAPE}),
        "objections-ignored": Row(
            {**CRAWLED, "scrape": {"opt_out": ["none"], "respected": False}}, {**CRAWLED, "scrape": SCRAPE}
        ),
        "category-of-scraped": category("scraped", "public-dataset", "crawled"),
        "category-of-synthetic": category("synthetic", "user-data", "synthetic"),
        "category-of-user-data": category("user-data", "crawled", "user-data"),
        "category-of-original": category("original", "crawled", "other"),
        "category-of-public-download": category("public-download", "user-data", "public-dataset"),
        "category-of-licensed-third-party": category("licensed-third-party", "user-data", "licensed-dataset"),
    },
    "eu-ai-act-high-risk": {
        "collection": lacks(HIGH_RISK, "collection"),
        "preparation": lacks(HIGH_RISK, "processing"),
        "bias": _act("bias_examination"),
        "gaps": _act("gaps"),
        "representativeness": _act("representativeness"),
    },
    "hipaa": {
        "route": lacks(PHI | {"hipaa": "not-covered"}, "hipaa"),
        "method": lacks(SAFE, "anonymisation"),
        "determination": Row(
            {**EXPERT, "regulatory_reviews": [{**REVIEW, "regime": "gdpr"}]},
            {**EXPERT, "regulatory_reviews": [{**REVIEW, "digest": {"sha256": OTHER}}, REVIEW]},
        ),
        "purpose": Row(
            {**PHI, "hipaa": "limited-data-set"},
            {**PHI, "hipaa": "limited-data-set", "intended_use": "Research into sepsis"},
        ),
        "revocation": Row({**PHI, "hipaa": "authorization"}, {**PHI, "hipaa": "authorization", "consent": CONSENT}),
        "identified": Row({**SAFE, "personal_data": "personal"}, SAFE),
    },
    "coppa": {
        "parental-consent": lacks(CHILDREN, "consent"),
        "parents-contact": lacks(CHILDREN, "erasure_contact"),
        "retention": lacks(CHILDREN, "retention"),
        "kept-too-long": Row({**CHILDREN, "retention": GONE}, CHILDREN),
    },
    "ccpa": {
        "retention": lacks({**PERSONAL, **OWN}, "retention"),
        "contact": lacks({**PERSONAL, **OWN}, "erasure_contact"),
        "kept-too-long": Row({**PERSONAL, **OWN, "retention": GONE}, {**PERSONAL, **OWN}),
    },
    "pipeda": {
        "retention": lacks(PERSONAL, "retention"),
        "contact": lacks(SPECIAL, "erasure_contact"),
        "consent": lacks(BY_CONSENT, "consent"),
        "kept-too-long": Row({**PERSONAL, "retention": GONE}, PERSONAL),
    },
    "fadp": {
        "retention": lacks(PERSONAL, "retention"),
        "contact": lacks(PERSONAL, "erasure_contact"),
        "kept-too-long": Row({**PERSONAL, "retention": GONE}, PERSONAL),
    },
    "lgpd": {
        "retention": lacks(PSEUDONYMISED, "retention"),
        "contact": lacks(PSEUDONYMISED, "erasure_contact"),
        "consent": lacks(BY_CONSENT, "consent"),
        "kept-too-long": Row({**PERSONAL, "retention": GONE}, PERSONAL),
    },
    "pipl": {
        "retention": lacks(PSEUDONYMISED, "retention"),
        "contact": lacks(PSEUDONYMISED, "erasure_contact"),
        "consent": lacks(BY_CONSENT, "consent"),
        "sensitive": lacks({**PERSONAL, "data_categories": ["pfi"], "dpia": "docs/pipia-2026.md"}, "dpia"),
        "kept-too-long": Row({**PERSONAL, "retention": GONE}, PERSONAL),
    },
}
