"""The learning loop: grows small blocks into the forecaster where its error stays, and takes them out again.

The idea
    The forecaster's structure is fixed and its coefficients learn every night. What error is left and repeats can be
    learned by a small block (a network of width 16, or 40 shallow trees) that corrects the forecast. Most corrections
    that fit the past do not help the future, so a block earns its place in steps, each behind a gate:

    residuals -> block -> shadow (compared, inert) -> share .25 while it earns it -> accepted, or culled

The process (`tomato-host learn run`)
    stands beside the deciding loop, has one thread of torch and low priority, and may be killed at any instant. It
    reads the dataset and writes `.npz` files of plain numbers; the brain reads those with numpy alone
    (`brain/world_model/grown.py`). No block, or a damaged one, leaves every forecast byte for byte as it was.

One epoch is one night. Its end (the epoch boundary) assembles a SystemStatePacket, asks the policy, and applies the
answering command to the slots, within 18 ms.

Alternatives rejected
    Learning inside the deciding loop: torch costs 200 MB and a crash of it would be a crash of the brain. Blocks as
    code (TorchScript, pickles): a file from elsewhere could run. Freezing an accepted block for ever: harmful on a
    plant that changes (docs/learning.md). A share above .25: in trials the wins did not grow and the losses did.

Files without torch, from the bottom: `settings`, `keys`, `signing`, `messages`, `gates`, `slot`, `isolation`,
`state_file`, `requirements`. torch is imported below this package only, and only by files that say so on top.
"""
