"""Names and patterns that several shapes share: what metadata may hold, how money looks."""

from base.ids import YEAR_10000

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
        "view_id",
        "role",
        "rate",
        "rate_date",
        "no_rate",
        "excess",
        "conflict",
        "outside_window",
    }
)

SOURCE_CHARACTERS = 255  # analytics_events.source
VALUE_CHARACTERS = 1000

AMOUNT = r"^[0-9]{1,8}(\.[0-9]{1,2})?$"  # fits DECIMAL(10,2); ASCII digits only
CURRENCY = r"^[A-Z]{3}$"

# Not what the RFCs allow, but what mail systems deliver to; international domains in their ASCII
# form. No quotes, commas, brackets or white space: one address is one recipient.
DELIVERABLE = (
    r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?[.])+"
    r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])$"
)

# C0 and C1 control characters, DEL, and surrogates, which no UTF-8 writer accepts.
UNWANTED = "[\x00-\x1f\x7f-\x9f\ud800-\udfff]"
UNSTORABLE = "\0"  # the one character neither text nor jsonb can hold

# Control and format characters, spaces but the usual one, private use: nobody can see them, so an
# id that holds one looks like another. Ranges of Unicode 15, as they stand in a character class.
INVISIBLE = (
    "\x00-\x1f\x7f-\xa0\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1680\u180e"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ue000-\uf8ff\ufeff\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f\U000f0000-\U0010ffff"
)
PRINTABLE = f"^[^{INVISIBLE}]*$"
# What mail systems deliver to; nothing in it can end a header line or begin another address.
_MAIL = rf'[^@ "(),:;<>\[\]\\{INVISIBLE}]'
EMAIL = f"^{_MAIL}{{1,64}}@{_MAIL}{{1,190}}$"


def _below(bound: str) -> str:
    """A pattern for lower-case hex numbers of as many digits that are smaller."""
    forms = []
    for at, digit in enumerate(bound):
        if digit != "0":
            smaller = "0123456789abcdef"[: int(digit, 16)]
            forms.append(f"{bound[:at]}[{smaller}][0-9a-f]{{{len(bound) - at - 1}}}")
    return "|".join(forms)


CLICK_ID = f"^(?:{_below(YEAR_10000)})7[0-9a-f]{{3}}[89ab][0-9a-f]{{15}}$"

# ISO 8601 with an offset, of days and hours that exist. Without an offset the sender's time zone
# would be a guess, and an epoch number does not say whether it counts seconds or milliseconds.
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY = (
    "(?:(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-(?:(?:0[13578]|1[02])"
    "-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_HOUR = "(?:[01][0-9]|2[0-3])"
MOMENT = (
    f"^{_DAY}[Tt ]{_HOUR}:[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{{1,9}})?)?"
    f"(?:[Zz]|[+-]{_HOUR}:?[0-5][0-9])$"
)
