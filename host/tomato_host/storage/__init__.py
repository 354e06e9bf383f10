"""The dataset: append, recover, verify, read back, publish."""

from tomato_host.storage.dataset import Dataset, Receipt
from tomato_host.storage.settings import StorageSettings

__all__ = ["Dataset", "Receipt", "StorageSettings"]
