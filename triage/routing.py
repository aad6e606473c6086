"""Which queue a case goes to."""

from collections.abc import Sequence

from models.configuration import Configuration


def route(configuration: Configuration, brand_id: int, language: str, topics: Sequence[str]) -> int | None:
    """The most specific queue that takes it: topic before language before brand alone; the first defined of equals.

    None where no queue serves the brand: everyone of the brand sees the case, and `ascolto check` warns.
    """
    brand = configuration.brands[brand_id].slug
    best: tuple[int, int] | None = None
    for number, queue in configuration.queues:
        language_fits = not queue.languages or language in queue.languages or language == "und"
        topic_fits = not queue.topics or bool(set(queue.topics) & set(topics))
        if brand not in queue.brands or not language_fits or not topic_fits:
            continue
        fit = 2 * bool(queue.topics) + bool(queue.languages and language in queue.languages)
        if best is None or fit > best[0]:
            best = (fit, number)
    return best[1] if best else None
