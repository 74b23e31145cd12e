"""What all pipelines have in common: Kubeflow's view of them is made of ``Parameters``."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from kfp import dsl

from pipelines.parameters import REQUIRED, Parameters, describe_parameters

P = TypeVar("P", bound=Parameters)


def pipeline(name: str, description: str) -> Callable[[Callable[[P], Any]], Any]:
    """Make a Kubeflow pipeline of a function that lays out tasks.

    The function takes one argument, annotated with ``Parameters`` or a class made of it, and
    returns a named tuple of outputs. Kubeflow reads names, types and defaults from a signature and
    descriptions from a docstring, so both are written from the parameters that the pipeline has.

    Args:
        name: Name among the pipelines that ``Parameters`` speaks of.
        description: What the pipeline does, for the list in the Kubeflow UI.
    """

    def make(lay_out: Callable[[P], Any]) -> Any:
        annotations = get_type_hints(lay_out)
        outputs = annotations.pop("return")
        (kind,) = annotations.values()
        own = [one for one in describe_parameters(kind) if name in one.defaults]

        def laid_out(*channels: Any) -> Any:
            names = (one.name for one in own)
            return lay_out(kind(**dict(zip(names, channels, strict=True))))

        asked = [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=one.type,
                default=inspect.Parameter.empty
                if one.defaults[name] is REQUIRED
                else one.defaults[name],
            )
            for one in own
        ]
        laid_out.__signature__ = inspect.Signature(asked, return_annotation=outputs)  # type: ignore[attr-defined]
        about = "\n".join(f"    {one.name}: {one.about}" for one in own)
        laid_out.__doc__ = f"{lay_out.__doc__}\n\nArgs:\n{about}\n"
        return dsl.pipeline(laid_out, name=f"coterie-{name}", description=description)

    return make
