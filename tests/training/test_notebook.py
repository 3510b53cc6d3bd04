"""What the cell of a notebook shows while it trains."""

import re

import pytest

from cae.training import journal
from cae.training.amount import Amount


@pytest.fixture
def shown(monkeypatch):
    """What a cell was made to show, from the first to the last."""
    found = []

    class Cell:
        def update(self, data, raw):
            found.append(data["text/html"])

    monkeypatch.setattr(journal, "notebook_cell", Cell)
    return found


def row(epoch, psnr):
    figures = {"psnr": psnr, "ssim": 0.5, "loss": 0.1 / epoch}
    values = {"epoch": epoch, "images_per_second": 100.0, "loss": 0.2 / epoch}
    return values | {f"val_{name}": value for name, value in figures.items()}


def test_a_bar_moves_and_curves_grow_with_each_epoch(shown, capsys):
    progress = journal.Progress(Amount(batch_size=8, steps_per_epoch=4, steps=8), 0, 2)
    for epoch in (1, 2):
        progress.steps_taken(3, loss=0.3, images_per_second=50.0)
        progress.steps_taken(1, loss=0.3, images_per_second=50.0)
        progress.epoch_ended(row(epoch, 20.0 + epoch), best=True, averaged=False)
    progress.close()
    shares = [float(number) for html in shown for number in re.findall(r'<progress max="1" value="([\d.]+)"', html)]
    assert shares == [3 / 8, 4 / 8, 7 / 8, 8 / 8]
    assert ["epoch 1/2" in html for html in shown[:2]] == [True, True]
    points = re.findall(r'<polyline class="series-0" points="([^"]*)"', shown[-1])
    assert [len(line.split()) for line in points] == [2, 2]  # PSNR and loss, two epochs each
    assert "validation PSNR 22.00 dB" in shown[-1]
    assert "left" not in shown[-1]  # what stays says nothing of time
    assert capsys.readouterr().err == ""
