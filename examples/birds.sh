#!/bin/sh
# Find look-alike birds: the nearest photos, the species that are taken for one another, and photos that may bear a wrong name.
# usage: examples/birds.sh FOLDER [MODEL]
set -eu
here=$(dirname "$0") folder=$1 model=${2:-descriptor}
python "$here/prepare.py" birds "$folder"
export NEARKIN_GALLERY="$folder/birds"

nearkin gallery create "$folder/enrolled" --model "$model"
bird=$(ls "$folder"/new/*/*.jpg | head -1)
nearkin search "$bird" -k 8
nearkin gallery calibrate --false-accept 0.1 --unknowns "$folder/unknown"
nearkin classify "$bird"
nearkin gallery check | head -12

echo "photos of the species:"
nearkin classify "$folder/new" --json | python "$here/score.py"
echo "photos of other species:"
nearkin classify "$folder/strangers" --json | python "$here/score.py"
