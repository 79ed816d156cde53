"""Which family of models a model's name belongs to: judges are kinder to their own family.

In yes-or-no rubrics, too, judges pass failing answers of their own up to half as often again (arXiv
2604.06996).
"""

from __future__ import annotations

import re

_FAMILIES = {
    "Claude": r"claude",
    "Command": r"command-(?:r|a|light|nightly)|c4ai|\baya\b",
    "DeepSeek": r"deepseek",
    "Falcon": r"falcon",
    "Gemini and Gemma": r"gemini|gemma|palm-2",
    "GLM": r"\bglm|chatglm",
    "GPT": r"\b(?:chat)?gpt|\bo[134](?:-|\b)",
    "Granite": r"granite",
    "Grok": r"grok",
    "Kimi": r"kimi|moonshot",
    "Llama": r"llama|vicuna|alpaca",
    "Mistral": r"mi[sx]tral|ministral|magistral|codestral|zephyr",
    "Nemotron": r"nemotron",
    "OLMo": r"olmo|\btulu",
    "Phi": r"\bphi-?\d",
    "Qwen": r"qwen|\bqwq",
    "SmolLM": r"smollm",
    "Yi": r"\byi-",
}


def family(model: str) -> str | None:
    """Return the family that a model's name (`backend/model`) speaks of, or None where it speaks of none."""
    name = model.partition("/")[2].casefold().replace("_", "-")
    return next((f for f, pattern in _FAMILIES.items() if re.search(pattern, name)), None)


def same_family(student: str, judge: str) -> str | None:
    """Return what student and judge have in common: the model itself, or its family; None for neither."""
    if student == judge:
        return "are the same model"
    shared = family(student)
    return f"are both of the family {shared}" if shared and shared == family(judge) else None
