"""Data sets as MONAI datalists, checked before use."""

from bpfl_med.data.checked_datalist import CheckedDatalist, check_datalist
from bpfl_med.data.datalists import PictureItem, folder_datalist, picture_datalist, table_datalist
from bpfl_med.data.picture import PictureError, open_picture
from bpfl_med.data.studies import Study, StudyError, StudyVolume, find_studies, load_study, unfinished_studies

__all__ = [
    "CheckedDatalist",
    "PictureError",
    "PictureItem",
    "Study",
    "StudyError",
    "StudyVolume",
    "check_datalist",
    "find_studies",
    "folder_datalist",
    "load_study",
    "open_picture",
    "picture_datalist",
    "table_datalist",
    "unfinished_studies",
]
