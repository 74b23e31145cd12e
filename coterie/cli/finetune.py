"""``coterie finetune``: an encoder of texts that learns what this shop's people have together."""

import argparse
import shlex

from coterie.cli import show
from coterie.progress import bar
from coterie.workflow.config_values import read_config
from coterie.workflow.finetune import FinetuneSettings, finetune_encoder


def finetune(options: argparse.Namespace) -> None:
    """Fine-tune an encoder, and leave its folder if it got better."""
    given = {
        "text.place": options.text,
        "learning.loop.max_epochs": options.epochs,
        "learning.lora_rank": options.lora,
        "learning.masked_epochs": options.masked,
        "workers": options.workers,
        "use_gpu": options.gpu,
    }
    told = {name: value for name, value in given.items() if value is not None}
    settings = FinetuneSettings.changed(read_config(*options.config) | told)
    with bar() as progress:
        found = finetune_encoder(options.clean, options.out, settings, progress)
    show.say(found.in_words())
    if found.digest:
        prefix = settings.text.prefix
        same = f" --config {shlex.quote(f'text.prefix={prefix}')}" if prefix else ""
        command = f"coterie content {options.clean} --text {options.out} --out FOLDER{same}"
        show.say(f"Encode with it: {command}")
