"""The words that simulated shops are made of: shelves, goods, makers, opinions."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Shelf:
    """One leaf category and the words that its goods are named with."""

    path: str
    price: float
    """Price of a usual piece."""
    styles: tuple[str, ...]
    nouns: tuple[str, ...]
    details: tuple[str, ...]
    uses: tuple[str, ...]


def _shelf(path: str, price: float, styles: str, nouns: str, details: str, uses: str) -> Shelf:
    """Make a shelf from comma-separated words."""
    return Shelf(path, price, _split(styles), _split(nouns), _split(details), _split(uses))


def _split(words: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in words.split(","))


_HOME = (
    _shelf(
        "Home/Kitchen/Pans",
        48,
        "Cast-Iron, Copper, Enamelled, Ceramic-Coated, Carbon-Steel, Stainless",
        "Frying Pan, Saucepan, Casserole, Griddle, Wok",
        "20 cm, 24 cm, 28 cm, with Lid, with Oak Handle",
        "slow weekend stews, quick weekday suppers, searing and finishing in the oven",
    ),
    _shelf(
        "Home/Kitchen/Knives",
        56,
        "Damascus, Forged, Hammered, Walnut-Handled, Olive-Wood, High-Carbon",
        "Chef's Knife, Paring Knife, Bread Knife, Santoku, Carving Set",
        "12 cm, 16 cm, 20 cm, with Sheath, Gift Boxed",
        "fine slicing, a well-kept kitchen, everyday chopping",
    ),
    _shelf(
        "Home/Kitchen/Coffee",
        39,
        "Pour-Over, Burr, Moka, Glass, Travel, Hand-Cranked",
        "Coffee Maker, Grinder, Kettle, Dripper, Brew Set",
        "for Two, for Four, 600 ml, 1 L, Matt Black",
        "the first cup of the day, guests who stay for another, small kitchens",
    ),
    _shelf(
        "Home/Living/Lighting",
        64,
        "Brass, Paper, Smoked-Glass, Rattan, Linen, Opal",
        "Table Lamp, Floor Lamp, Pendant, Wall Light, Reading Lamp",
        "Dimmable, Small, Large, with Fabric Cord, Warm White",
        "long evenings with a book, dark corners, soft light over the table",
    ),
    _shelf(
        "Home/Living/Textiles",
        35,
        "Washed-Linen, Merino, Waffle, Quilted, Boucle, Organic-Cotton",
        "Throw, Cushion, Rug, Curtain Pair, Bedspread",
        "in Sage, in Terracotta, in Ink Blue, in Oat, in Charcoal",
        "cool nights, a calmer room, layering over the sofa",
    ),
    _shelf(
        "Home/Garden/Plants",
        22,
        "Trailing, Variegated, Evergreen, Dwarf, Scented, Drought-Proof",
        "Fern, Jasmine, Olive Tree, Herb Trio, Monstera",
        "in Clay Pot, in Zinc Planter, 12 cm Pot, 30 cm Tall, 60 cm Tall",
        "bright windowsills, shady balconies, people who forget to water",
    ),
    _shelf(
        "Home/Garden/Tools",
        31,
        "Ash-Handled, Stainless, Telescopic, Japanese, Lightweight, Heritage",
        "Hand Trowel, Pruner, Border Spade, Weeder, Watering Can",
        "Small, Medium, Large, with Holster, Left-Handed",
        "raised beds, clay soil, a tidy border",
    ),
)
_FASHION = (
    _shelf(
        "Fashion/Women/Dresses",
        79,
        "Pleated, Wrap, Linen, Knitted, Printed, Satin",
        "Midi Dress, Shirt Dress, Slip Dress, Maxi Dress, Tunic",
        "in Olive, in Navy, in Rust, in Ivory, in Black",
        "warm evenings, the office and after, long lunches outdoors",
    ),
    _shelf(
        "Fashion/Women/Knitwear",
        68,
        "Lambswool, Cashmere-Blend, Cable-Knit, Mohair, Ribbed, Fair-Isle",
        "Cardigan, Jumper, Roll Neck, Vest, Cropped Knit",
        "in Oat, in Berry, in Forest, in Slate, in Cream",
        "crisp mornings, layering, cold trains",
    ),
    _shelf(
        "Fashion/Men/Shirts",
        52,
        "Oxford, Flannel, Linen, Chambray, Corduroy, Seersucker",
        "Shirt, Overshirt, Grandad Shirt, Camp-Collar Shirt, Work Shirt",
        "in White, in Sky, in Moss, in Navy Check, in Sand",
        "work without a tie, weekends away, wearing open over a tee",
    ),
    _shelf(
        "Fashion/Men/Jackets",
        135,
        "Waxed, Quilted, Denim, Wool, Packable, Waterproof",
        "Field Jacket, Parka, Bomber, Chore Coat, Gilet",
        "in Olive, in Navy, in Black, in Tan, in Charcoal",
        "wet commutes, walking the dog, the months between seasons",
    ),
    _shelf(
        "Fashion/Shoes/Sneakers",
        88,
        "Leather, Canvas, Suede, Recycled, Retro, High-Top",
        "Sneaker, Court Shoe, Slip-On, Runner, Skate Shoe",
        "in White, in Gum, in Grey, in Navy, in Green",
        "city miles, dressing down, all-day comfort",
    ),
    _shelf(
        "Fashion/Accessories/Bags",
        95,
        "Canvas, Full-Grain, Quilted, Recycled, Woven, Waxed",
        "Tote, Crossbody, Backpack, Weekender, Belt Bag",
        "in Tan, in Black, in Khaki, Small, Large",
        "short trips, laptops and lunch, hands-free days",
    ),
)
_SPORT = (
    _shelf(
        "Sport/Running/Shoes",
        118,
        "Cushioned, Trail, Lightweight, Stability, Carbon-Plated, Wide-Fit",
        "Running Shoe, Racing Flat, Trail Shoe, Daily Trainer, Walking Shoe",
        "Men's, Women's, in Volt, in Coral, in Graphite",
        "long easy miles, muddy paths, a faster tenth kilometre",
    ),
    _shelf(
        "Sport/Yoga/Mats",
        42,
        "Cork, Natural-Rubber, Foldable, Extra-Thick, Grippy, Organic",
        "Yoga Mat, Bolster, Block Pair, Strap Set, Meditation Cushion",
        "3 mm, 5 mm, in Plum, in Sage, in Stone",
        "slow flows, hot classes, stretching at home",
    ),
    _shelf(
        "Sport/Cycling/Gear",
        58,
        "Reflective, Aero, Waterproof, Merino, Compact, Rechargeable",
        "Jersey, Helmet, Pannier, Bike Light, Multi-Tool",
        "Small, Medium, Large, Front and Rear, in Signal Orange",
        "winter commutes, Sunday club rides, loaded touring",
    ),
    _shelf(
        "Sport/Outdoor/Camping",
        92,
        "Two-Person, Ultralight, Insulated, Down, Folding, All-Season",
        "Tent, Sleeping Bag, Camp Stove, Camp Chair, Sleeping Mat",
        "Regular, Long, Compact, in Moss, in Amber",
        "nights above the tree line, festival fields, a first trip with children",
    ),
    _shelf(
        "Sport/Climbing/Hardware",
        61,
        "Lightweight, Adjustable, Padded, Auto-Lock, Dry-Treated, Beginner",
        "Harness, Belay Device, Rope, Quickdraw Set, Chalk Bag",
        "Small, Medium, 40 m, 60 m, in Teal",
        "the local wall, long bolted routes, learning to lead",
    ),
)
_TECH = (
    _shelf(
        "Electronics/Audio/Headphones",
        129,
        "Wireless, Noise-Cancelling, Open-Back, Studio, Bone-Conduction, Foldable",
        "Headphones, Earbuds, Headset, In-Ear Monitors, Sports Earphones",
        "in Black, in White, in Midnight, with Case, with USB-C",
        "busy trains, long calls, listening late without waking anyone",
    ),
    _shelf(
        "Electronics/Audio/Speakers",
        145,
        "Bluetooth, Bookshelf, Portable, Retro, Waterproof, Multi-Room",
        "Speaker, Soundbar, Radio, Speaker Pair, Turntable",
        "in Walnut, in Black, in Cream, Mini, Stereo",
        "kitchen dancing, picnics, music in every room",
    ),
    _shelf(
        "Electronics/Computing/Keyboards",
        84,
        "Mechanical, Low-Profile, Split, Wireless, Hot-Swap, Compact",
        "Keyboard, Number Pad, Trackball, Mouse, Desk Set",
        "ISO, ANSI, in Grey, in Black, Backlit",
        "quiet offices, long days of typing, a clear desk",
    ),
    _shelf(
        "Electronics/Photo/Cameras",
        310,
        "Mirrorless, Instant, Compact, Refurbished, Weather-Sealed, Film",
        "Camera, Prime Lens, Zoom Lens, Tripod, Camera Kit",
        "35 mm, 50 mm, 18-55 mm, with Strap, in Silver",
        "street corners, family albums, travelling with one bag",
    ),
    _shelf(
        "Electronics/Smart/Home",
        59,
        "Smart, Solar, Battery, Matter-Ready, Slim, Outdoor",
        "Thermostat, Doorbell, Plug Pair, Motion Sensor, Light Strip",
        "Starter Kit, Single, Pack of 3, in White, in Anthracite",
        "lower bills, coming home to light, renters",
    ),
)
_BEAUTY = (
    _shelf(
        "Beauty/Skin/Care",
        27,
        "Rosehip, Ceramide, Vitamin C, Unscented, Oat, Green-Tea",
        "Face Cream, Serum, Cleanser, Toner, Night Balm",
        "30 ml, 50 ml, 100 ml, Travel Size, Refill",
        "dry skin in winter, a short routine, sensitive skin",
    ),
    _shelf(
        "Beauty/Hair/Care",
        19,
        "Argan, Volumising, Curl, Sulphate-Free, Rosemary, Repair",
        "Shampoo, Conditioner, Hair Mask, Leave-In Spray, Shampoo Bar",
        "250 ml, 400 ml, Travel Size, Duo, Refill",
        "fine hair, curls that want moisture, daily washing",
    ),
    _shelf(
        "Beauty/Fragrance/Candles",
        32,
        "Cedar, Fig, Sea-Salt, Amber, Bergamot, Smoked-Tea",
        "Candle, Room Spray, Diffuser, Eau de Toilette, Incense",
        "Small, Large, 100 ml, Gift Set, Refill",
        "a bath that lasts, rainy Sundays, small presents",
    ),
    _shelf(
        "Beauty/Make-up/Face",
        24,
        "Satin, Matte, Tinted, Mineral, Dewy, Long-Wear",
        "Foundation, Blusher, Lip Colour, Mascara, Brow Gel",
        "in Rose, in Sand, in Plum, in Clear, Mini",
        "five-minute mornings, evenings out, a natural look",
    ),
)
_FOOD = (
    _shelf(
        "Food/Pantry/Coffee & Tea",
        14,
        "Single-Origin, Decaf, Smoky, Jasmine, Dark-Roast, Loose-Leaf",
        "Coffee Beans, Black Tea, Green Tea, Espresso Blend, Chai",
        "250 g, 500 g, 1 kg, Tin, Pack of 3",
        "a calm afternoon, strong breakfasts, cold brew",
    ),
    _shelf(
        "Food/Pantry/Oils & Spices",
        12,
        "Smoked, Cold-Pressed, Wild, Aged, Toasted, Lemon",
        "Olive Oil, Paprika, Balsamic Vinegar, Za'atar, Sea Salt",
        "100 g, 250 ml, 500 ml, Gift Set, Refill",
        "salads, grilled vegetables, a pinch at the end",
    ),
    _shelf(
        "Food/Sweets/Chocolate",
        11,
        "Dark, Hazelnut, Salted, Single-Estate, Orange, Milk",
        "Chocolate Bar, Truffles, Drinking Chocolate, Praline Box, Nougat",
        "70 %, 85 %, 200 g, Box of 12, Pack of 5",
        "after dinner, saying thank you, hiding from the children",
    ),
)
_BOOKS = (
    _shelf(
        "Books/Cooking/World",
        26,
        "Mediterranean, Vegetarian, Japanese, Weeknight, Baking, One-Pot",
        "Cookbook, Kitchen Companion, Recipe Cards, Handbook, Table Book",
        "Hardback, Paperback, Signed, Second Edition, Illustrated",
        "beginners, feeding a crowd, reading in bed",
    ),
    _shelf(
        "Books/Travel/Guides",
        19,
        "Coastal, Alpine, Island, City, Night-Train, Long-Distance",
        "Walking Guide, Atlas, Field Notes, Cycling Guide, Photo Book",
        "Hardback, Paperback, Pocket, with Maps, New Edition",
        "planning in winter, a week without a car, armchair travellers",
    ),
    _shelf(
        "Books/Children/Picture",
        13,
        "Bedtime, Lift-the-Flap, Woodland, Rhyming, Counting, Under-the-Sea",
        "Picture Book, Board Book, Story Treasury, Colouring Book, Sticker Book",
        "Hardback, Paperback, Large Format, Ages 2-4, Ages 4-6",
        "reading aloud, small hands, the tenth time tonight",
    ),
)
_PLAY = (
    _shelf(
        "Toys/Games/Board Games",
        34,
        "Cooperative, Strategy, Two-Player, Family, Party, Deduction",
        "Board Game, Card Game, Dice Game, Expansion, Puzzle Box",
        "Ages 8+, Ages 10+, Ages 14+, Travel Edition, Deluxe",
        "rainy weekends, four clever friends, people who hate losing",
    ),
    _shelf(
        "Toys/Building/Blocks",
        45,
        "Wooden, Magnetic, Space, Castle, Marble-Run, Vehicle",
        "Building Set, Block Box, Starter Set, Creative Kit, Play Tray",
        "60 Pieces, 120 Pieces, 300 Pieces, Ages 3+, Ages 6+",
        "patient builders, brothers and sisters, the living-room floor",
    ),
    _shelf(
        "Pets/Dogs/Walking",
        29,
        "Padded, Rope, Reflective, Leather, Hands-Free, No-Pull",
        "Harness, Lead, Collar, Travel Bowl, Dog Coat",
        "Small, Medium, Large, in Red, in Navy",
        "strong pullers, dark mornings, long muddy walks",
    ),
)
SHELVES: Final = _HOME + _FASHION + _SPORT + _TECH + _BEAUTY + _FOOD + _BOOKS + _PLAY
"""Leaf categories; the first step of a path is its department."""

MAKERS: Final = {
    "Home": ("Harrow & Pine", "Stillwater", "Nordlys", "Casa Lume", "Tilde"),
    "Fashion": ("Fennwick", "Atelier Onda", "Northbank", "Loomsong", "Plain Cut"),
    "Sport": ("Kestrel", "Overland", "Tempo", "Ridgeway", "Bluepeak"),
    "Electronics": ("Voltra", "Lumen", "Quietone", "Pixelmoor", "Arcadia"),
    "Beauty": ("Verbena", "Halo & Salt", "Moss", "Clearwater", "Aurelle"),
    "Food": ("Old Mill", "Saltmarsh", "Three Figs", "Cardamom & Co", "Orchard Lane"),
    "Books": ("Lantern Press", "Wayfarer", "Inkwell House", "Paper Kite", "Meridian"),
    "Toys": ("Tumbledown", "Brightbox", "Oddsocks", "Little Acorn", "Playwright"),
    "Pets": ("Wag & Co", "Pawfield", "Trailhound", "Good Dog", "Bramble"),
}
"""Invented brands of each department."""

PRAISE: Final = (
    "Exactly what I hoped for.",
    "Better than the pictures.",
    "Would buy again.",
    "My new favourite.",
    "Lovely quality for the price.",
    "A friend asked where I got it.",
)
SHRUGS: Final = (
    "Does what it says.",
    "Fine, nothing special.",
    "Good, though smaller than I expected.",
    "Took a while to get used to.",
)
COMPLAINTS: Final = (
    "Not for me.",
    "Looked better online.",
    "Sent it back.",
    "Disappointing for the price.",
)
DELIVERY: Final = (
    "Arrived quickly.",
    "Well packed.",
    "Came a day late.",
    "Easy to order.",
    "No fuss with delivery.",
)
