"""What other systems call things: names of columns and words for events, as they are often met."""

import re
from typing import Final

from coterie.schema import EventKind

COLUMNS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "events": {
        "event_id": ("eventid", "interactionid", "lineitemid", "reviewid", "ratingid"),
        "user_id": (
            *("userid", "user", "uid", "visitorid", "visitor", "customerid", "customer"),
            *("clientid", "client", "reviewerid", "reviewer", "accountid", "memberid", "member"),
            *("shopperid", "buyerid", "personid", "profileid", "userpseudoid", "custid"),
            *("customeruserid", "customeremail", "billingemail", "emailbilling", "email"),
            *("anonymousid", "deviceid", "sessionid"),
        ),
        "item_id": (
            *("itemid", "item", "iid", "productid", "product", "parentasin", "asin", "sku"),
            *("isbn", "movieid", "movie", "filmid", "articleid", "article", "stockcode"),
            *("trackid", "songid", "artistid", "bookid", "businessid", "placeid", "locationid"),
            *("venueid", "poiid", "gameid", "appid", "recipeid", "listingid", "lineitemsku"),
            *("productsku", "variantsku", "productcode", "itemcode", "handle", "lineitemname"),
        ),
        "event": (
            *("event", "eventtype", "eventname", "action", "actiontype", "behavior"),
            *("behaviortype", "behaviour", "interaction", "interactiontype", "activity"),
        ),
        "value": (
            *("rating", "overall", "score", "stars", "bookrating", "value", "grade"),
            *("quantity", "qty", "lineitemquantity", "itemquantity", "price", "amount"),
        ),
        "text": ("reviewtext", "text", "reviewbody", "review", "comment", "tag", "content"),
        "ts": (
            *(
                "timestamp",
                "eventtimestamp",
                "ts",
                "eventtime",
                "time",
                "datetime",
                "unixreviewtime",
                "date",
            ),
            *("invoicedate", "orderdate", "purchasedate", "createdat", "paidat", "datecreated"),
            *("reviewtime", "eventdate", "orderedat", "checkintime"),
        ),
        "referrer_user_id": ("referreruserid", "referrerid", "invitedby", "sharedby"),
        "invited_user_id": ("inviteduserid", "invitedid", "sharedwith"),
    },
    "ties": {
        "src_user_id": (
            *("srcuserid", "src", "source", "follower", "followerid", "trustor", "truster"),
            *("fromuserid", "from", "user1", "userid1", "usera", "user", "userid"),
        ),
        "dst_user_id": (
            *("dstuserid", "dst", "target", "followee", "followeeid", "trustee", "friendid"),
            *("friend", "touserid", "to", "user2", "userid2", "userb", "followed", "followedid"),
        ),
        "kind": ("kind", "relation", "tietype"),
        "weight": ("weight", "trustvalue", "strength", "trust"),
        "since": ("since", "createdat", "timestamp"),
    },
    "items": {
        "item_id": (),
        "title": (
            *("title", "name", "producttitle", "productname", "booktitle", "movietitle"),
            *("itemname", "posttitle", "lineitemname"),
        ),
        "description": ("description", "bodyhtml", "body", "shortdescription", "details"),
        "price": (
            *("price", "unitprice", "regularprice", "variantprice", "saleprice", "listprice"),
            *("itemprice", "itemcost", "lineitemprice", "pricecents", "unitpricecents"),
            "priceincents",
        ),
        "category": (
            *("category", "categories", "genres", "genre", "categorycode", "productcategory"),
            *("producttype", "maincategory", "categorypath", "itemcategory", "department", "type"),
        ),
        "brand": (
            *("brand", "itembrand", "vendor", "manufacturer", "store", "author", "bookauthor"),
            "publisher",
        ),
        "tags": ("tags", "keywords", "labels"),
        "image_uri": (
            *("imageuri", "imageurl", "image", "imagesrc", "imurl", "imageurll", "imageurlm"),
            *("imageurls", "images", "baseimage", "thumbnail"),
        ),
        "audio_uri": ("audiouri", "audiourl"),
        "available": ("available", "instock", "isinstock"),
        "created_at": ("createdat", "publishedat", "dateadded", "releasedate"),
    },
    "users": {
        "user_id": (),
        "may_be_named": ("maybenamed",),
        "may_be_used": ("maybeused",),
    },
}
"""Names of columns, by table and column, in the order in which they are believed."""
COLUMNS["items"]["item_id"] = COLUMNS["events"]["item_id"]
COLUMNS["users"]["user_id"] = COLUMNS["events"]["user_id"]

TIE_FILES: Final = re.compile(
    r"trust|edge|friend|social|follow|tie|network|relation|contact|graph", re.IGNORECASE
)
"""Names of files that tell who knows whom."""
ITEM_FILES: Final = re.compile(
    r"^(wc-?|shop|dim_?)?_?(products?|items?|articles?|catalog(ue)?)", re.IGNORECASE
)
"""Names of files that tell of items, whose key may be called ``id`` alone."""
PEOPLE_FILES: Final = re.compile(
    r"^(users?|customers?|accounts?|members?|clients?|shoppers?|people|persons?)", re.IGNORECASE
)
"""Names of files that tell of people, whose key may be called ``id`` alone."""
TRUST: Final = re.compile("trust", re.IGNORECASE)
FOLLOW: Final = re.compile("follow", re.IGNORECASE)

WORDS: Final[dict[str, EventKind]] = {
    **dict.fromkeys(
        ("view", "pageview", "productview", "viewitem", "detail", "productviewed", "pv", "viewed"),
        EventKind.VIEW,
    ),
    **dict.fromkeys(("click", "clicked", "selectitem", "productclick"), EventKind.CLICK),
    **dict.fromkeys(("share", "shared"), EventKind.SHARE),
    **dict.fromkeys(
        ("cart", "addtocart", "basket", "addtobasket", "productadded", "atc", "addcart"),
        EventKind.CART,
    ),
    **dict.fromkeys(("review", "reviewed"), EventKind.REVIEW),
    **dict.fromkeys(("rating", "rate", "rated"), EventKind.RATING),
    **dict.fromkeys(
        ("purchase", "purchased", "buy", "transaction", "order", "ordercompleted", "sale", "paid"),
        EventKind.PURCHASE,
    ),
    **dict.fromkeys(("return", "returned", "refund", "refunded"), EventKind.RETURN),
    **dict.fromkeys(("dislike", "hide", "notinterested", "disliked"), EventKind.DISLIKE),
}
TAKEN_BACK: Final = frozenset(
    {"removefromcart", "removecart", "productremoved", "removefrombasket"}
)
"""Words for what undoes another event: nothing of the contract, and dropped."""
PASSED_OVER: Final = frozenset(
    {
        *("viewitemlist", "viewcart", "viewpromotion", "selectpromotion", "viewsearchresults"),
        *("begincheckout", "addpaymentinfo", "addshippinginfo", "checkout", "checkoutstarted"),
    }
)
"""Words for steps in between, which say nothing of one item: dropped as well."""

DONE: Final = frozenset(
    {
        *("paid", "complete", "completed", "processing", "shipped", "delivered", "fulfilled"),
        *("closed", "authorized", "partiallypaid", "partiallyrefunded", "open", "placed"),
    }
)
"""States of an order that is a purchase."""
GIVEN_BACK: Final = frozenset({"refunded", "returned", "chargeback"})
NOT_DONE: Final = frozenset(
    {
        *("cancelled", "canceled", "failed", "pending", "pendingpayment", "onhold", "voided"),
        *("expired", "abandoned", "draft", "checkoutdraft", "trash", "fraud", "holded"),
        *("declined", "rejected", "unpaid"),
    }
)
"""States of an order that came to nothing, or has not yet."""
KNOW_EACH_OTHER: Final = frozenset({"accepted", "active", "confirmed", "friends", "mutual"})
DO_NOT_YET: Final = NOT_DONE | {"blocked", "requested", "invited", "removed", "muted", "ignored"}
"""States of an invitation that is no tie."""
NOT_SOLD: Final = frozenset(
    {
        *("archived", "draft", "pending", "unlisted", "private", "trash", "inactive", "hidden"),
        *("discontinued", "disabled", "deleted", "unpublished", "notpublished"),
    }
)
"""States of a product that is not sold, or not yet."""
ON_SALE: Final = frozenset({"published", "active", "isactive", "enabled", "isenabled", "visible"})
"""Columns that say yes of a product that is sold."""
NOES: Final = frozenset({"false", "f", "no", "n", "0", "-1"})
"""What they say of one that is not; -1 of a draft."""
VARIANTS: Final = frozenset({"variation", "variant"})
"""Types of products that are one more row of another."""
GONE_AT: Final = frozenset({"deletedat", "cancelledat", "canceledat", "voidedat", "archivedat"})
"""Columns that are filled where a row counts no more."""


def plain_name(name: str) -> str:
    """Reduce a column's name or a word to its letters and digits, without case.

    >>> plain_name("User-ID"), plain_name("add_to_cart")
    ('userid', 'addtocart')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())
