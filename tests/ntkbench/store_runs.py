"""The study of the store's tests, and a function that runs it in a folder again."""

from toy_runs import session, study

TEXT = study(architecture=[{"depth": 2}], task=[{"name": "toy/line", "outputs": 2}], store={"predictions": "all"})


def resume(path, text=TEXT, **options):
    return session(text, path, executor="inline", **options)
