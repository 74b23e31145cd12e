"""What is drawn: five pages, from what shoppers get down to the pipelines.

Series are added up over pods and replicas everywhere; a reading that every pod has a copy of is
taken at its largest. What Ray exports stands in rows of its own: it exists on a cluster only.
"""

from typing import Final

from coterie.monitoring.pages.model import MODEL
from coterie.monitoring.pages.pipelines import PIPELINES
from coterie.monitoring.pages.rollout import ROLLOUT
from coterie.monitoring.pages.service import SERVICE
from coterie.monitoring.pages.shoppers import SHOPPERS

DASHBOARDS: Final = (SHOPPERS, SERVICE, MODEL, ROLLOUT, PIPELINES)
