"""Data sets as MONAI datalists, checked before use."""

from bpfl_med.data.checked_datalist import CheckedDatalist, check_datalist
from bpfl_med.data.folder_datalist import folder_datalist, masked_datalist, picture_datalist
from bpfl_med.data.meta_json_datalist import meta_json_datalist
from bpfl_med.data.picture import PictureError, open_picture
from bpfl_med.data.picture_item import PictureItem, items_of_classes
from bpfl_med.data.scan_volume import ScanVolume, load_scan
from bpfl_med.data.scans import Scan, ScanError, check_output_apart, find_scans, unfinished_scans
from bpfl_med.data.slice_datalist import SliceItem, slice_datalist
from bpfl_med.data.table_datalist import table_datalist
from bpfl_med.data.volume_datalist import VolumeItem, volume_datalist

__all__ = [
    "CheckedDatalist",
    "PictureError",
    "PictureItem",
    "Scan",
    "ScanError",
    "ScanVolume",
    "SliceItem",
    "VolumeItem",
    "check_datalist",
    "check_output_apart",
    "find_scans",
    "folder_datalist",
    "items_of_classes",
    "load_scan",
    "masked_datalist",
    "meta_json_datalist",
    "open_picture",
    "picture_datalist",
    "slice_datalist",
    "table_datalist",
    "unfinished_scans",
    "volume_datalist",
]
