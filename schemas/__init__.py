"""What crosses a boundary, and the ground floor that both halves stand on; imports nothing of ours.

Records (`conversation`), what people write (`recipe`, `stage`) and what a build writes (`manifest`) are msgspec types;
`mixtures/storage/json_schemas.py` turns them into the JSON Schemas beside them. `template` renders a conversation,
`tokens` counts its tokens, `prompts` names LLaVA's prompts, `tokenizer/` loads tokenizers. `files` writes files
completely or not at all, `errors` holds what a user can fix, `hub` is the way to the Hugging Face Hub.
"""
