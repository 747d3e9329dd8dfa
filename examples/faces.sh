#!/bin/sh
# Are these two photos of the same person? The ORL faces; neither person need be enrolled.
# usage: examples/faces.sh FOLDER [MODEL]
set -eu
here=$(dirname "$0") folder=$1 model=${2:-descriptor}
python "$here/prepare.py" faces "$folder"
export NEARKIN_GALLERY="$folder/people"

nearkin gallery create "$folder/enrolled" --model "$model"
nearkin gallery calibrate --false-accept 0.2 --pair-false-accept 0.01
stranger=$(ls "$folder/strangers" | head -1) other=$(ls "$folder/strangers" | tail -1)
nearkin verify "$folder/strangers/$stranger/1.pgm" "$folder/strangers/$stranger/2.pgm"
nearkin verify "$folder/strangers/$stranger/1.pgm" "$folder/strangers/$other/1.pgm"
