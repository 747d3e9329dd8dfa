#!/bin/sh
# Name a product at the checkout from 5 photos each. Caltech-101 objects stand in for products.
# usage: examples/checkout.sh FOLDER [MODEL]
set -eu
here=$(dirname "$0") folder=$1 model=${2:-descriptor}
python "$here/prepare.py" checkout "$folder"
export NEARKIN_GALLERY="$folder/products"

nearkin gallery create "$folder/enrolled" --model "$model"
nearkin gallery calibrate --false-accept 0.2 --unknowns "$folder/unknown"
nearkin classify "$folder"/new/*/*_0006.jpg | tail -12

echo "photos of the products:"
nearkin classify "$folder/new" --json | python "$here/score.py"
echo "photos of other things:"
nearkin classify "$folder/strangers" --json | python "$here/score.py"
