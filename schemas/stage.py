"""The stage: how to train on a mixture."""

from typing import Annotated, Literal

import msgspec

from mix665k.schemas.template import Template

Part = Literal["projector", "language_model", "vision_tower"]
Positive = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=10)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Channel = Annotated[int, msgspec.Meta(ge=0, le=255)]


class Lora(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Low-rank adapters in the language model instead of training all of it; the values are LLaVA's."""

    r: Positive = 128
    alpha: Positive = 256
    dropout: Share = 0.05
    targets: Annotated[
        list[str] | None,
        msgspec.Meta(description="ends of layers' names, or regular expressions of them; all linear layers without it"),
    ] = None
    bits: Annotated[
        Literal[4, 8] | None,
        msgspec.Meta(description="of the language model's linear layers, by bitsandbytes (QLoRA); needs `zero: 0`"),
    ] = None
    quant_type: Annotated[Literal["nf4", "fp4"], msgspec.Meta(description="meaning of the 4 bits")] = "nf4"
    double_quant: Annotated[bool, msgspec.Meta(description="quantise the scales of 4 bits once more")] = True


class Evaluate(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Benchmarks that are asked while a stage trains, on the same questions each time."""

    benchmarks: Annotated[
        list[str], msgspec.Meta(min_length=1, description="as `train benchmarks` lists them, or YAML files of your own")
    ]
    data: Annotated[str, msgspec.Meta(description="folder with the benchmarks' files")]
    images: Annotated[str, msgspec.Meta(description="folder with their pictures")]
    every: Annotated[Positive, msgspec.Meta(description="steps between two evaluations; the last step has one too")] = (
        500
    )
    questions: Annotated[Positive, msgspec.Meta(description="of each benchmark, drawn by `seed`")] = 200


class Stage(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One training run; `trainer/stages/` holds the paper's two."""

    name: str
    trains: Annotated[list[Part], msgspec.Meta(min_length=1)]
    template: Annotated[
        str | Template,
        msgspec.Meta(
            description="`chat`, the tokenizer's own; one of LLaVA's by name; a file in Jinja; texts of your own; or "
            "`auto`: `chat` where the tokenizer has a chat template, else `v1`"
        ),
    ]
    lr: Rate
    global_batch: Positive
    per_device_batch: Positive
    image: Annotated[
        Literal["pad", "crop"], msgspec.Meta(description="padded to a square with the mean colour, or cropped")
    ]
    zero: Annotated[Literal[0, 2, 3], msgspec.Meta(description="DeepSpeed ZeRO stage; 0 keeps all on each rank")]
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    vision_layer: Annotated[
        int | None,
        msgspec.Meta(
            description="layer of the vision tower whose output the features are: -2, or that of a projector or model "
            "to start from"
        ),
    ] = None
    projector_type: Annotated[
        str | None,
        msgspec.Meta(
            description="`mlp2x_gelu`, or `linear`, as LLaVA names them: the former, or that of a run to start from"
        ),
    ] = None
    image_path: Annotated[
        Literal["exact", "fast"],
        msgspec.Meta(description="the image processor's values to the bit, or some of them one grey level off"),
    ] = "exact"
    background: Annotated[
        tuple[Channel, Channel, Channel] | None,
        msgspec.Meta(
            description="red, green and blue of what transparent pictures are put on; without it transparency is "
            "dropped, as in LLaVA, which mostly gives black"
        ),
    ] = None
    projector_lr: Rate | None = None
    vision_tower_lr: Rate | None = None
    loss: Annotated[
        Literal["token_mean", "batch_mean"],
        msgspec.Meta(
            description="mean over the labels of the global batch; or the mean of the micro-batches' and ranks' means, "
            "as LLaVA"
        ),
    ] = "token_mean"
    router_loss: Annotated[
        float, msgspec.Meta(ge=0, le=10, description="weight of the loss that spreads tokens over experts")
    ] = 0.0
    epochs: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 1.0
    max_steps: Positive | None = None
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_ratio: Share = 0.03
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    decay_groups: Annotated[
        Literal["by_name", "by_class"],
        msgspec.Meta(
            description="what does not decay besides biases: whatever is named a norm, or only `nn.LayerNorm` and "
            "Llama's norm, as LLaVA"
        ),
    ] = "by_name"
    max_grad_norm: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    max_tokens: Positive = 2048
    bf16: bool = True
    tf32: Annotated[
        bool, msgspec.Meta(description="float32 products in TF32 on GPUs that have it, as LLaVA's scripts")
    ] = False
    accumulate: Annotated[
        Literal["bf16", "fp32"],
        msgspec.Meta(
            description="in what DeepSpeed adds up the gradients of micro-batches where `bf16` is true (LLaVA's is "
            "bf16, too); without DeepSpeed always float32"
        ),
    ] = "bf16"
    offload: Annotated[
        Literal["none", "optimizer"],
        msgspec.Meta(description="keep AdamW's states in the CPU's memory and step there, under ZeRO"),
    ] = "none"
    deepspeed: Annotated[
        str | None, msgspec.Meta(description="a DeepSpeed JSON instead of the shipped one; must agree with the stage")
    ] = None
    gradient_checkpointing: Annotated[
        bool | Literal["selective"],
        msgspec.Meta(
            description="recompute layers in the backward pass (activation checkpointing); `selective` keeps their "
            "products and attention, which takes memory and saves time"
        ),
    ] = True
    batching: Annotated[
        Literal["grouped", "padding_free", "shared_images", "llava_grouped", "llava_random"],
        msgspec.Meta(
            description="batches of one modality and similar lengths, random ones in rows without padding, such rows "
            "in which records of a picture share its beginning, or exactly those of LLaVA's trainer on several GPUs in "
            "its stage 2 or 1"
        ),
    ] = "grouped"
    share: Annotated[
        Literal["path", "content"],
        msgspec.Meta(
            description="which pictures `shared_images` takes for the same: of one path, or of the same bytes"
        ),
    ] = "path"
    max_branches: Annotated[
        Positive | None,
        msgspec.Meta(description="records of a picture that `shared_images` takes in a row; all without it"),
    ] = None
    attention: Annotated[
        Literal["auto", "eager", "sdpa", "segments", "flash_attention_2"],
        msgspec.Meta(description="`auto`: flash-attn where it is installed, else torch's own kernels"),
    ] = "auto"
    window: Annotated[int, msgspec.Meta(ge=1, description="global batches among which lengths are sorted")] = 50
    remainder: Annotated[
        Literal["drop", "repeat", "short"],
        msgspec.Meta(description="what becomes of a modality's last, incomplete batch"),
    ] = "short"
    on_unlabelled: Annotated[
        Literal["fail", "drop"], msgspec.Meta(description="rows that truncation leaves without any label")
    ] = "fail"
    save_steps: Positive = 500
    keep_checkpoints: Positive = 2
    log_steps: Positive = 1
    eval_fraction: Share = 0.0
    eval_steps: Positive = 500
    workers: Annotated[int, msgspec.Meta(ge=0)] = 4
    lora: Lora | None = None
    evaluate: Evaluate | None = None
