"""The shop's pictures, for the storefront: files of one folder, and of these pictures alone."""

from pathlib import Path, PurePosixPath
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from coterie.errors import BadInputError
from serving.api.strict_routes import StrictFiles

PICTURES: Final = "/pictures"
ENDINGS: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"})
"""SVG is none of them: it may hold scripts."""
_KEPT_S: Final = 3600
"""For so long a browser need not ask again."""


class PictureFiles(StrictFiles):
    """Files of a folder that end as pictures do; nothing outside of it, by links neither."""

    def __init__(self, folder: str) -> None:
        """Find the folder.

        Raises:
            BadInputError: There is none.
        """
        if not Path(folder).is_dir():
            raise BadInputError(
                f"COTERIE_PICTURES is {folder!r}, which is no folder: name the one that the "
                "relative names in image_uri begin at, or leave it out"
            )
        super().__init__(directory=folder)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a picture, which a browser may keep for a while."""
        parts = PurePosixPath(path).parts
        hidden = any(part.startswith(".") for part in parts)
        if hidden or PurePosixPath(path).suffix.lower() not in ENDINGS:
            raise HTTPException(404)
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = f"public, max-age={_KEPT_S}"
        return answer
