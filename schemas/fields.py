"""Names and patterns that several shapes share: what metadata may hold, how money looks."""

SUBS = tuple(f"sub{number}" for number in range(1, 21))
AD_CLICK_IDS = ("gclid", "fbclid", "msclkid", "ttclid", "twclid", "li_fat_id", "external_id")

# Written by the fleet alone: a sender who could set them would forge identity or trust.
FLEET_ONLY = frozenset(
    {
        "click_id",
        "visitor",
        "bot",
        "received_at",
        "occurred_at",
        "campaign_status",
        "duplicate_of",
        "orphan",
        "trust",
        "source_cut",
    }
)

SOURCE_CHARACTERS = 255  # analytics_events.source
VALUE_CHARACTERS = 1000

AMOUNT = r"^[0-9]{1,8}(\.[0-9]{1,2})?$"  # fits DECIMAL(10,2); ASCII digits only
CURRENCY = r"^[A-Z]{3}$"

# C0 and C1 control characters, DEL, and surrogates, which no UTF-8 writer accepts.
UNWANTED = "[\x00-\x1f\x7f-\x9f\ud800-\udfff]"
