"""Which queue a case waits in."""

from collections.abc import Sequence

from models.catalogue import Catalogue


def route(catalogue: Catalogue, brand_id: int, language: str, topics: Sequence[str]) -> int | None:
    """The most particular queue that takes it: by topic before by language before by brand alone; the first named of equals.

    None where no queue serves the brand: the case is then everybody's, and `ascolto check` says so.
    """
    brand = catalogue.brands[brand_id].slug
    best: tuple[int, int] | None = None
    for number, queue in catalogue.queues:
        speaks = not queue.languages or language in queue.languages or language == "und"
        about = not queue.topics or bool(set(queue.topics) & set(topics))
        if brand not in queue.brands or not speaks or not about:
            continue
        fit = 2 * bool(queue.topics) + bool(queue.languages and language in queue.languages)
        if best is None or fit > best[0]:
            best = (fit, number)
    return best[1] if best else None
