"""Shops that never were: data with a known truth, and shoppers who answer."""

from coterie.data.simulate.config import ShopConfig
from coterie.data.simulate.shop import SimulatedShop, simulate
from coterie.data.simulate.world import World

__all__ = ["ShopConfig", "SimulatedShop", "World", "simulate"]
