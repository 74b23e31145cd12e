"""Describers without a model, for measuring: words of an item's own description, and a dictionary.

Their answers take the way of a model's: ``read_description`` holds them to the item. What a real
model would say nobody knows from these; they say what its words can be worth where they are right.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from coterie.content.words import cut_text
from coterie.llm.descriptions import MOST_KEYWORDS, Described, read_description

_LETTERS: Final = 3
_COMMONEST: Final = 0.1
"""A word of more items than this share tells nothing apart."""

CHINESE: Final[dict[str, str]] = {
    **dict.fromkeys(("men", "men's", "man"), "男士"),
    **dict.fromkeys(("women", "women's", "woman"), "女士"),
    **dict.fromkeys(("kids", "kidswear", "boys", "girls"), "儿童"),
    "unisex": "男女通用",
    "black": "黑色",
    "blue": "蓝色",
    "white": "白色",
    "brown": "棕色",
    "red": "红色",
    "grey": "灰色",
    "green": "绿色",
    "pink": "粉色",
    "purple": "紫色",
    "silver": "银色",
    "yellow": "黄色",
    "beige": "米色",
    "gold": "金色",
    "orange": "橙色",
    "printed": "印花",
    "striped": "条纹",
    "check": "格子",
    "solid": "纯色",
    "casual": "休闲",
    "sports": "运动",
    "formal": "正式",
    "leather": "皮质",
    "classic": "经典",
    "washed": "水洗",
    **dict.fromkeys(("t-shirt", "tshirt", "tshirts", "t-shirts"), "短袖衫"),
    **dict.fromkeys(("shirt", "shirts"), "衬衣"),
    **dict.fromkeys(("shoe", "shoes"), "鞋"),
    **dict.fromkeys(("watch", "watches"), "腕表"),
    **dict.fromkeys(("kurta", "kurtas", "kurti"), "印度民族服"),
    **dict.fromkeys(("top", "tops"), "上装"),
    **dict.fromkeys(("handbag", "handbags"), "女包"),
    **dict.fromkeys(("bag", "bags"), "包"),
    "sunglasses": "墨镜",
    **dict.fromkeys(("heel", "heels"), "高跟女鞋"),
    **dict.fromkeys(("brief", "briefs", "innerwear"), "内衣"),
    **dict.fromkeys(("sandal", "sandals"), "凉拖"),
    "jeans": "丹宁裤",
    **dict.fromkeys(("wallet", "wallets"), "皮夹"),
    **dict.fromkeys(("flip", "flop", "flops"), "夹脚拖鞋"),
    **dict.fromkeys(("sock", "socks"), "短袜"),
    **dict.fromkeys(("backpack", "backpacks"), "背包"),
    **dict.fromkeys(("belt", "belts"), "腰带"),
    "flats": "平跟鞋",
    **dict.fromkeys(("dress", "dresses"), "裙子"),
    **dict.fromkeys(("trouser", "trousers", "pants"), "裤子"),
    **dict.fromkeys(("perfume", "fragrance"), "香氛"),
    "bra": "胸罩",
    **dict.fromkeys(("deo", "deodorant"), "除臭剂"),
    "lipstick": "唇膏",
    **dict.fromkeys(("sweatshirt", "sweatshirts", "sweater"), "运动衫"),
    **dict.fromkeys(("sari", "saree"), "印度裹身裙"),
    **dict.fromkeys(("earring", "earrings"), "耳饰"),
    **dict.fromkeys(("jacket", "jackets"), "外套"),
    "tunic": "束腰上衣",
    "shorts": "休闲裤",
    "nightdress": "睡裙",
    "nail": "指甲",
    "polish": "油",
    "tie": "领带",
    "clutch": "手拿包",
    "necklace": "项链",
    "leggings": "打底裤",
}
"""English words of fashion, and Chinese ones for them, written by hand as a plain dictionary has
them; where Chinese has two words, mostly another one than that of the queries."""


def translated(item: Mapping[str, Any]) -> list[Described]:
    """Say a title in Chinese, word by word; words that the dictionary lacks are left out."""
    words = [CHINESE[word] for word in str(item["title"]).casefold().split() if word in CHINESE]
    return _said(item, title_zh=" ".join(dict.fromkeys(words)))


class KeywordDescriber:
    """Names the words of an item's description that tell it apart most."""

    def __init__(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Count in how many items each word stands."""
        self._held = Counter(word for item in items for word in {*_words(item.get("description"))})
        self._most = max(2, int(_COMMONEST * len(items)))

    def said(self, item: Mapping[str, Any]) -> list[Described]:
        """Name words that more than one item has and the title has not, the rarest first."""
        known = {*_words(item["title"]), *_words(item.get("brand"))}
        counts = Counter(_words(item.get("description")))
        new = [w for w in counts if w not in known and 1 < self._held[w] <= self._most]
        new.sort(key=lambda word: (-counts[word] / self._held[word], word))
        return _said(item, keywords=new[:MOST_KEYWORDS])


def _said(item: Mapping[str, Any], **fields: Any) -> list[Described]:
    empty: dict[str, Any] = {"keywords": [], "attributes": [], "title_en": "", "title_zh": ""}
    return read_description(empty | fields, item)


def _words(text: Any) -> list[str]:
    return [
        word
        for word, _ in cut_text(str(text or ""))
        if len(word) >= _LETTERS and word.isalpha() and word.isascii()
    ]
