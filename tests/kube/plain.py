"""Values as JSON has them."""

import marshal
from typing import Any


def copied(value: Any) -> Any:
    """A copy of all of it, in which no two places share one; several times as quick as
    ``copy.deepcopy``, and tests copy a lot."""
    return marshal.loads(marshal.dumps(value, 2))  # from version 3 on, what is shared stays so
