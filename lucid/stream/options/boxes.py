"""How boxes are understood: their format, their images, their coordinates."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from lucid.stream.checks import SourceLike, as_flag, one_of, optional
from lucid.stream.options.checks import as_image_size, as_names, as_resize, as_source
from lucid.stream.options.option import ARRAY, BOXES, Option, Recorded


class BoxOptions(TypedDict, total=False):
    """How boxes are understood."""

    boxes: Annotated[
        str,
        Option(
            group=BOXES,
            help="Box format: corners, x first or y first, corner and size, or centre and size; "
            "of rotated boxes, four corners, clockwise from the object's own top left.",
            check=one_of("boxes", "xyxy", "yxyx", "xywh", "cxcywh", "corners8"),
            default="xyxy",
            metavar="xyxy|yxyx|xywh|cxcywh|corners8",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    normalized: Annotated[
        bool,
        Option(
            group=BOXES,
            help="Coordinates are fractions of the image; needs {image_size}.",
            check=as_flag("normalized"),
            default=False,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    image_size: Annotated[
        int | tuple[int, int] | SourceLike | None,
        Option(
            group=BOXES,
            help="Height and width of the images, an array (N,2) of them, one array per image "
            "with {{id}}, two datasets or the columns of a .csv, .tsv or .txt "
            "(PATH::HEIGHT,WIDTH), or a .json that has them: COCO's, or one for {ids}.",
            check=optional(as_image_size),
            metavar=f"HxW|{ARRAY}",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    columns: Annotated[
        str | None,
        Option(
            group=BOXES,
            help="Columns of a RoI table: image,-,x1,y1,x2,y2 by order (- is not used), or "
            "image=photo,... by name; also x,y,w,h and cx,cy,w,h, with angle if rotated, and id "
            "for what a box is called.",
            check=optional(str),
            unset="what its header says",
            metavar="ROLES",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    category: Annotated[
        str | Sequence[int | str] | None,
        Option(
            group=BOXES,
            help="Categories to keep of COCO's files, by name or id, or of VOC's, by name, "
            "separated by commas.",
            check=optional(as_names),
            unset="all",
            metavar="NAME,...",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    no_crowd: Annotated[
        bool,
        Option(
            group=BOXES,
            help="Leave out a COCO file's boxes of crowds (iscrowd).",
            check=as_flag("no_crowd"),
            default=False,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    resize: Annotated[
        str | None,
        Option(
            group=BOXES,
            help="How pictures of {image_size} were resized before the network saw them, for boxes "
            "in pixels of the pictures: stretch:HxW, short:A,B (Detectron2), short:A,B,floor "
            "(torchvision), short:A,B,exact, long:M (SAM), letterbox:HxW (YOLO), center-pad:M or "
            "crop:A,B.",
            check=optional(as_resize),
            metavar="RULE",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    frame: Annotated[
        SourceLike | None,
        Option(
            group=BOXES,
            help="Rows sy,sx,oy,ox (N,4), or factors (N,2) or (N,), from coordinates of boxes to "
            "input pixels: input = s * box + o. {{id}} in PATH or DATASET: an array per image. "
            "none: boxes are in input pixels, whatever the features say.",
            unset="what the features say: frame, im_info, or original_size and input_size",
            check=optional(as_source),
            metavar=ARRAY,
            instead_of=("resize",),
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    batch_index: Annotated[
        SourceLike | None,
        Option(
            group=BOXES,
            help="Image index or id of each box (K,).",
            check=optional(as_source),
            metavar=ARRAY,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    index_by: Annotated[
        str | None,
        Option(
            group=BOXES,
            help="What numbers that name images are: positions 0, 1, ..., or ids.",
            check=optional(one_of("index_by", "position", "id")),
            unset="what a column's name says; else positions, or ids where only those fit",
            metavar="position|id",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    unmatched: Annotated[
        str,
        Option(
            group=BOXES,
            help="What happens to RoIs whose image id is none of the features': an error, left "
            "out, or zeros.",
            check=one_of("unmatched", "raise", "skip", "zero"),
            default="raise",
            metavar="raise|skip|zero",
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    box_ranges: Annotated[
        SourceLike | None,
        Option(
            group=BOXES,
            help="Rows start,end (N,2): the boxes (K,4) of each image, end exclusive; or two "
            "datasets, PATH::START,END. A box in no range is invalid.",
            check=optional(as_source),
            metavar=ARRAY,
            instead_of=("batch_index",),
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    box_ranges_inclusive: Annotated[
        bool,
        Option(
            group=BOXES,
            help="The end in {box_ranges} is the last box; -1 means that there is none.",
            check=as_flag("box_ranges_inclusive"),
            default=False,
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
    box_counts: Annotated[
        SourceLike | None,
        Option(
            group=BOXES,
            help="Number of valid boxes per image (N,), for padded boxes (N,M,4) or for boxes "
            "(K,4) in the order of images.",
            check=optional(as_source),
            unset="all M",
            metavar=ARRAY,
            instead_of=("batch_index", "box_ranges"),
            recorded=Recorded.UNLESS_DEFAULT,
        ),
    ]
