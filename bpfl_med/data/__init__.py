"""Data sets as MONAI datalists, checked before use."""

from bpfl_med.data.checked_datalist import CheckedDatalist, check_datalist
from bpfl_med.data.datalists import PictureItem, folder_datalist, picture_datalist, table_datalist
from bpfl_med.data.picture import PictureError, open_picture

__all__ = [
    "CheckedDatalist",
    "PictureError",
    "PictureItem",
    "check_datalist",
    "folder_datalist",
    "open_picture",
    "picture_datalist",
    "table_datalist",
]
