"""Execute docs/notebook.ipynb anew: `python -m tests.verify.notebook`, in an environment with ipykernel."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbclient
import nbformat

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def main() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as place:  # its runs are not kept
        resources = {"metadata": {"path": place}}
        nbclient.NotebookClient(notebook, timeout=300, resources=resources, record_timing=False).execute()
    notebook.metadata = nbformat.from_dict({"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    for cell in notebook.cells:
        if cell.cell_type == "code":  # the progress is empty at the end
            cell.outputs = [each for each in cell.outputs if each.output_type != "display_data"]
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
