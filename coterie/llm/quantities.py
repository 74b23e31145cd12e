# ruff: noqa: RUF001, RUF002 - Chinese has marks of its own
"""Numbers that a text says, and prices: in digits, and in words of English and Chinese."""

import re
from typing import Final

_DIGITS: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")
_WORD: Final = re.compile(r"[a-z]+")
_HAN: Final = re.compile(r"[零〇一二两三四五六七八九十百千万]+")
_ONES: Final = dict(
    zip(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ],
        range(20),
        strict=True,
    )
)
_TENS: Final = dict(
    zip(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"],
        range(20, 100, 10),
        strict=True,
    )
)
_HAN_ONES: Final = {one: number for number, one in enumerate("零一二三四五六七八九")} | {
    "〇": 0,
    "两": 2,
}
_HAN_SCALES: Final = {"十": 10, "百": 100, "千": 1000}
_AMOUNT: Final = r"\d[\d,.]*"
_ENGLISH: Final = rf"{_AMOUNT}|[a-z]+(?:[ -][a-z]+)?"
_CHINESE: Final = rf"{_AMOUNT}|{_HAN.pattern}"
_YUAN: Final = r"\s*(?:元|块钱|块)"
_ENDS: Final = r"\s*(?=$|[,.;!?，。；！？])"
_MOST: Final = re.compile(
    r"(?:\b(?:under|below|less than|at most|up to|no more than)\s+(?:"
    rf"[$€£¥]\s?({_AMOUNT})|({_AMOUNT})\s?(?:[$€£¥]|dollars|euros|pounds|yuan)|({_ENGLISH}){_ENDS})"
    rf"|(?:不超过|低于|少于)\s*(?:({_CHINESE}){_YUAN}的?|({_CHINESE}){_ENDS})"
    rf"|({_CHINESE}){_YUAN}(?:以下|以内|之内)的?|({_CHINESE})\s*(?:以下|以内|之内)的?{_ENDS})",
    re.IGNORECASE,
)


def numbers_in(text: str) -> frozenset[float]:
    """Find all numbers that a text says.

    >>> sorted(numbers_in("between twenty-five and 1,200.50, or two hundred"))
    [25.0, 200.0, 1200.5]
    >>> sorted(numbers_in("三百五十元以下，不要十五块的"))
    [15.0, 350.0]
    """
    found = {float(one.replace(",", "")) for one in _DIGITS.findall(text)}
    found |= {float(_han(one)) for one in _HAN.findall(text)}
    return frozenset(found | _english(text.lower()))


def price_at_most(text: str) -> tuple[float, str] | None:
    """Find a price that a text says to be the most, and the rest of the text.

    It names money, or ends a clause: 50 mm is no price.

    >>> price_at_most("a kitchen knife, under 50")
    (50.0, 'a kitchen knife')
    >>> price_at_most("三百块以下的羽绒服")
    (300.0, '羽绒服')
    >>> price_at_most("a lens under 50 mm, lights under the bed, 十四岁以下的玩具")
    """
    for said in _MOST.finditer(text):
        numbers = numbers_in(next(filter(None, said.groups())))
        if len(numbers) == 1:
            rest = text[: said.start()].rstrip(" \t\n,，") + text[said.end() :]
            return min(numbers), rest.strip(" ,，")
    return None


def _english(text: str) -> set[float]:
    found, total, here, said = set(), 0, 0, False
    for word in [*_WORD.findall(text), ""]:
        if word in _ONES or word in _TENS:
            here, said = here + _ONES.get(word, _TENS.get(word, 0)), True
        elif word == "hundred" and said:
            here *= 100
        elif word == "thousand" and said:
            total, here = total + here * 1000, 0
        elif said:
            found.add(float(total + here))
            total = here = 0
            said = False
    return found


def _han(text: str) -> int:
    total = here = one = 0
    for letter in text:
        if letter in _HAN_ONES:
            one = _HAN_ONES[letter]
        elif letter in _HAN_SCALES:
            here, one = here + (one or 1) * _HAN_SCALES[letter], 0
        else:  # ten thousand
            total, here, one = (total + here + one) * 10_000, 0, 0
    return total + here + one
