"""Hugging Face's Trainer with our batches, loss and logs; it brings DeepSpeed, accumulation and resuming."""

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer

from mix665k.schemas.stage import Stage
from mix665k.trainer.batching.sampler import MicroBatches
from mix665k.trainer.model.attention import inputs_of
from mix665k.trainer.model.hooks import ImageFeatures, LabelledHead, Routers
from mix665k.trainer.run.checkpoint import Complete, mark_complete, mark_incomplete, remove_older
from mix665k.trainer.run.metrics import Metrics, by_source, losses_of, sums_of
from mix665k.trainer.run.parameter_groups import parameter_groups
from mix665k.trainer.run.weights import WEIGHTS, load_weights_of_run, weights_to_save


class StageTrainer(Trainer):
    """Trains one stage.

    A subclass of the trainer, never of the model: the names of a model's classes determine how its weights load.
    """

    def __init__(
        self,
        *,
        stage: Stage,
        batches: MicroBatches,
        metrics: Metrics,
        mixture_hash: str,
        model: Any,
        args: Any,
        train_dataset: Any,
        eval_dataset: Any,
        data_collator: Any,
        callbacks: list[Any],
    ) -> None:
        super().__init__(
            model=model,
            args=args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            data_collator=data_collator,
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)
        self.stage = stage
        self.metrics = metrics
        self.has_computed = False
        """Whether a checkpoint has been read, if there was one, and the first micro-batch computed."""
        self._batches = batches
        self._mixture_hash = mixture_hash
        self._head = LabelledHead(model)
        self._images = ImageFeatures(model)
        self._routers = Routers(model) if stage.router_loss else None
        self._group_of: dict[str, int] = {}
        self._rates: dict[str, float] = {}

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The batches of this rank; not prepared by accelerate, which would shard them once more."""
        assert self.train_dataset is not None
        workers = self.args.dataloader_num_workers
        # Trainer asks for all micro-batches of a step at once: as many are loaded while the step before is computed.
        return DataLoader(
            self.train_dataset,
            batch_sampler=self._batches,
            collate_fn=self.data_collator,
            num_workers=workers,
            prefetch_factor=max(2, -(-self.args.gradient_accumulation_steps // workers)) if workers else None,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=False,
        )

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> Any:
        """The micro-batches of a step; the time until they arrive is counted."""
        return super().get_batch_samples(self.metrics.waiting(epoch_iterator), num_batches, device)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The mean over the labelled tokens of the global batch, whatever ranks and micro-batches they are on.

        With `loss: batch_mean` the mean over those of the micro-batch, divided by the number of micro-batches of the
        step; the ranks' gradients are averaged. One without any label, whose mean LLaVA takes as NaN, counts as 0.
        """
        # LLaVA averages the means of ranks and micro-batches, which weights the labels of short answers on one rank
        # more than those of long ones on another, and makes the loss depend on the layout.
        losses = self._losses(model, inputs)
        self.has_computed = True
        if model.training:
            self.metrics.add(losses, inputs)
        total = losses.sum()
        if self._routers is not None and model.training:
            # Weighted as its micro-batch is in the loss, by labels: over a global batch the weights sum to 1.
            # A token that several examples share counts for each of them.
            counted = inputs.get("shared_by", inputs.get("attention_mask"))
            total = total + self.stage.router_loss * len(losses) * self._routers.loss(counted)
        if num_items_in_batch is None:
            loss = total / max(len(losses), 1)
        elif self.stage.loss == "batch_mean":
            # Trainer does not divide by the accumulation: it takes what `num_items_in_batch` is given to for scaled.
            loss = total / max(len(losses), 1) / self.args.gradient_accumulation_steps
        else:
            labels = torch.as_tensor(num_items_in_batch).clamp(min=1)  # a step of nothing but bad images has none
            loss = total / labels * self.accelerator.num_processes  # as the ranks' gradients will be averaged
        return (loss, {"losses": losses}) if return_outputs else loss

    def _losses(self, model: nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
        """float32 [n]: the cross entropy of each labelled token, in reading order."""
        trained: Any = self.model
        given = inputs_of(inputs, trained.config.text_config._attn_implementation)
        images = self._images.at(inputs["pixel_values"], inputs["image_positions"])
        routers = nullcontext() if self._routers is None else self._routers.recording()
        with self._head.at(inputs["label_positions"]), images, routers:
            logits = model(**given).logits
        return functional.cross_entropy(logits.float(), inputs["targets"], reduction="none")

    def _prepare_input(self, data: Any) -> Any:
        """Move tensors to the device while it computes: copies from pinned memory are not waited for."""
        return super()._prepare_input(
            data.to(self.args.device, non_blocking=True) if isinstance(data, torch.Tensor) else data
        )

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW with the stage's learning rate for each part; no decay of biases and norms."""
        if self.optimizer is None:
            chosen: Any = self.model if model is None else model
            groups, self._group_of = parameter_groups(chosen, self.stage)
            self.optimizer = torch.optim.AdamW(groups, lr=self.stage.lr, betas=(0.9, 0.999), eps=1e-8, fused=True)
        return self.optimizer

    def _get_learning_rate(self) -> float:
        """The language model's, or that of whatever else learns; Trainer gives the first group's, the projector's."""
        scheduler: Any = self.lr_scheduler
        rates = scheduler.get_last_lr()
        self._rates = {part: float(rates[group]) for part, group in self._group_of.items()}
        return self._rates.get("language_model", float(rates[0]))

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Add what was counted since the last line of training, and the rates of parts that have their own."""
        if "loss" in logs:
            own = {part: rate for part, rate in self._rates.items() if getattr(self.stage, f"{part}_lr", None)}
            logs |= {f"learning_rate/{part}": rate for part, rate in own.items()}
            logs |= self.metrics.drain(_gather)
        super().log(logs, start_time)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """The held-out examples of this rank, in order; a last micro-batch may be shorter."""
        held_out: Any = self.eval_dataset
        size, world = self.args.per_device_eval_batch_size, self.args.world_size
        rows = list(range(self.args.process_index, len(held_out), world))
        most = -(-len(held_out) // (size * world))
        batches = [rows[k * size : (k + 1) * size] for k in range(most)]
        return DataLoader(held_out, batch_sampler=batches, collate_fn=self.data_collator)

    def evaluate(  # the arguments are Trainer's
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The mean loss over the labelled tokens of all held-out examples, and of each source's."""
        begun, batches = time.perf_counter(), []
        with self.metrics.paused():
            self.model_wrapped.eval()
            with torch.no_grad():
                for batch in self.get_eval_dataloader():
                    losses = self._losses(self.model_wrapped, self._prepare_inputs(batch))
                    batches.append((batch["sources"], batch["num_labels"], sums_of(losses, batch)))
            self.model_wrapped.train()
            ranks = _gather(by_source(batches))
        of_all = [numbers for rank in ranks for numbers in rank.values()]
        loss = sum(total for total, _ in of_all) / max(sum(count for _, count in of_all), 1)
        names = sorted({source for rank in ranks for source in rank})
        of_sources: dict[str, Any] = losses_of(ranks, names)
        metrics: dict[str, float] = {f"{metric_key_prefix}_loss": loss}
        metrics |= {f"{metric_key_prefix}_{name}": value for name, value in of_sources.items()}
        metrics[f"{metric_key_prefix}_seconds"] = time.perf_counter() - begun
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics=metrics)
        return metrics

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write all weights, by their names in the trained model; not with DeepSpeed, whose checkpoint has them."""
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        if not self.is_deepspeed_enabled and self.is_world_process_zero():
            weights = weights_to_save(self.accelerator.unwrap_model(self.model), self.stage)
            save_file({name: value.clone().contiguous() for name, value in weights.items()}, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        trained: Any = model or self.model
        load_weights_of_run(trained, load_file(Path(resume_from_checkpoint) / WEIGHTS), stage=self.stage)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Save a checkpoint, then remove older ones: a kill in between leaves one to resume from."""
        begun = time.perf_counter()
        with self.metrics.paused():
            self._save_whole(model, trial)
        self.log({"save_seconds": time.perf_counter() - begun})

    def _save_whole(self, model: nn.Module, trial: Any) -> None:
        step, run = self.state.global_step, Path(str(self.args.output_dir))
        if self.is_world_process_zero():
            mark_incomplete(run / f"checkpoint-{step}")
        _wait_for_all()
        super()._save_checkpoint(model, trial)
        _wait_for_all()
        if self.is_world_process_zero():
            done = Complete(step=step, ranks=self.args.world_size, mixture=self._mixture_hash, stage=self.stage.name)
            mark_complete(run / f"checkpoint-{step}", done)
            remove_older(run, step=step, keep=self.stage.keep_checkpoints)


def _wait_for_all() -> None:
    if dist.is_initialized():
        dist.barrier()


def _gather(mine: Any) -> list[Any]:
    if not dist.is_initialized():
        return [mine]
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    return everyone
