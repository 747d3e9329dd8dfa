"""How numbers are written on the page: three decimals, a real minus sign, thousands apart."""

from __future__ import annotations

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def share(value: float) -> str:
    """A score.

    >>> share(0.93202)
    '0.932'
    """
    return f"{value:.3f}".replace("-", "−")


def signed(value: float) -> str:
    """A difference, always with its sign.

    >>> signed(0.2), signed(-0.0004), signed(0.0)
    ('+0.200', '−0.000', '+0.000')
    """
    return f"{value:+.3f}".replace("-", "−")


def span(low: float | None, high: float | None, *, sign: bool = False) -> str:
    """An interval; nothing where there is none.

    >>> span(0.8993, 0.955), span(-0.002, 0.42, sign=True), span(None, None)
    ('0.899 – 0.955', '−0.002 – +0.420', '')
    """
    if low is None or high is None:
        return ""
    write = signed if sign else share
    return f"{write(low)} – {write(high)}"


def percent(value: float, digits: int = 0) -> str:
    """A share of a hundred.

    >>> percent(0.2978), percent(0.2978, 1)
    ('30 %', '29.8 %')
    """
    return f"{100 * value:.{digits}f} %"


def count(value: int, one: str, several: str | None = None) -> str:
    """A number of things.

    >>> count(1, "class", "classes"), count(10000, "image")
    ('1 class', '10,000 images')
    """
    return f"{value:,} {one if value == 1 else several or one + 's'}"


def probability(value: float | None) -> str:
    """A p-value.

    >>> probability(0.0000002), probability(0.0412), probability(None)
    ('< 0.0001', '0.041', '')
    """
    if value is None:
        return ""
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """A duration to read.

    >>> duration(0.42), duration(41.7), duration(200.0)
    ('0.4 s', '42 s', '3.3 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def significant(value: object) -> str:
    """Three digits of a number of any size; a text as it is, and a dash for nothing.

    >>> significant(1284.56), significant(0.21372), significant(400), significant(3.3e-16), significant(None)
    ('1,285', '0.214', '400', '3\\xa0×\\xa010⁻¹⁶', '–')
    """
    if value is None or isinstance(value, str):
        return value or "–"
    number = float(value)  # type: ignore[arg-type]
    if number and abs(number) < 1e-4:
        digit, _, power = f"{number:.0e}".partition("e")
        return f"{digit}\u00a0×\u00a010{str(int(power)).translate(RAISED)}".replace("-", "−")
    if number == int(number) or abs(number) >= 1000:
        return f"{number:,.0f}".replace("-", "−")
    return f"{number:.3g}".replace("-", "−")
