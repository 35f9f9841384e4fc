"""The prompts of LLaVA's mixture by name; whoever writes or recognises one takes its text from here.

The texts are those of table 7 of the paper (arXiv 2310.03744, appendix A.2) as the published file has them.
"""

from collections.abc import Mapping
from typing import Any

RESPONSE_FORMATS = {
    "short_answer": "Answer the question using a single word or phrase.",
    "option_letter": "Answer with the option's letter from the given choices directly.",
    "caption": "Provide a one-sentence caption for the provided image.",
}
"""Lines that say in which form to answer; a recipe adds one by name (`add_prompt: short_answer`)."""

REGION_QUESTIONS = {
    "describe_region": "Please provide a short description for this region: ",
    "locate_region": "Please provide the bounding box coordinate of the region this sentence describes: ",
}
"""How questions about a region begin; the box or the sentence follows."""

PROMPTS = RESPONSE_FORMATS | REGION_QUESTIONS

OCR_LINE = "Reference OCR token:"
"""How the line after TextCaps' prompt begins; the words that OCR read in the image follow."""


def added_prompt(params: Mapping[str, Any]) -> str:
    """The text that an `add_prompt` step of a recipe or manifest adds, whether it is named or written out."""
    return RESPONSE_FORMATS[params["prompt"]] if params.get("prompt") else str(params["text"])
