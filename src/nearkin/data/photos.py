"""The catalogue's sets of photos. None has an address that serves single files with checksums, so each is got by hand."""

from __future__ import annotations

from nearkin.data.caltech101 import find_caltech101, read_caltech101
from nearkin.data.cars196 import find_cars196, read_cars196
from nearkin.data.cub200_2010 import find_cub200_2010, read_cub200_2010
from nearkin.data.cub200_2011 import find_cub200_2011, read_cub200_2011
from nearkin.data.entry import Entry
from nearkin.data.fss1000 import find_fss1000, read_fss1000
from nearkin.data.sop import find_sop, read_sop

_FLICKR = "not stated; the photos, from Flickr, remain their owners', for research and education"

PHOTOS: dict[str, Entry] = {
    "cub200-2011": Entry(
        description="photos of 200 birds, 2011; classes 1 to 100 train, 101 to 200 test (5,864 and 5,924 images)",
        images=11788,
        classes=200,
        shape=None,
        licence=_FLICKR,
        read=read_cub200_2011,
        find=find_cub200_2011,
        folders=("cub200-2011", "cub200_2011", "CUB_200_2011"),
        contents="images.txt, image_class_labels.txt and images/ (or CUB_200_2011.zip of them)",
        advice="get CUB_200_2011.tgz from CaltechDATA (data.caltech.edu/records/65de6-vp158, "
        "md5 97eceeb196236b17998738112f37df78) and extract it there",
    ),
    "cub200-2010": Entry(
        description="photos of 200 birds, 2010; classes 1 to 100 train, 101 to 200 test (2,990 and 3,043 images)",
        images=6033,
        classes=200,
        shape=None,
        licence=_FLICKR,
        read=read_cub200_2010,
        find=find_cub200_2010,
        folders=("cub200-2010", "cub200_2010", "CUB_200_2010", "CUB_200"),
        contents="images/ with one folder a class (001.Black_footed_Albatross, ...), or a zip of it",
        advice="its publisher gives no checksum; get images.tgz of 'Caltech-UCSD Birds 200' (2010) from CaltechDATA "
        "(data.caltech.edu) and extract it there",
    ),
    "cars196": Entry(
        description="photos of 196 models of cars; classes 1 to 98 train, 99 to 196 test (8,054 and 8,131 images)",
        images=16185,
        classes=196,
        shape=None,
        licence="not stated; meant for research",
        read=read_cars196,
        find=find_cars196,
        folders=("cars196", "Cars196", "CARS196", "stanford_cars"),
        contents="cars_annos.mat and car_ims/, or cars_train/, cars_test/ and devkit/, or one folder a class",
        advice="its publisher's page is gone and gave no checksum; get a copy of 'Stanford Cars' (16,185 images) "
        "and extract it there",
    ),
    "sop": Entry(
        description="Stanford Online Products: photos of 22,634 articles; 11,318 train, the others test "
        "(59,551 and 60,502 images)",
        images=120053,
        classes=22634,
        shape=None,
        licence="not stated; the photos are from eBay, for research",
        read=read_sop,
        find=find_sop,
        folders=("sop", "SOP", "Stanford_Online_Products", "online_products"),
        contents="Ebay_train.txt and Ebay_test.txt with the folders that they name, or Stanford_Online_Products.zip",
        advice="its publisher gives no checksum; get Stanford_Online_Products.zip (cvgl.stanford.edu/projects/"
        "lifted_struct) and put it there, zipped or extracted",
    ),
    "fss1000": Entry(
        description="photos of 1,000 classes of objects, ten each, cut to the box of their mask, 224 x 224; no split",
        images=10000,
        classes=1000,
        shape=(3, 224, 224),
        licence="not stated; the photos are from the web, for research",
        read=read_fss1000,
        find=find_fss1000,
        folders=("fss1000", "FSS-1000", "fss-1000", "FSS1000"),
        contents="fewshot_data with one folder a class (1.jpg to 10.jpg, 1.png to 10.png), or a zip of it",
        advice="its publisher gives no checksum; get fewshot_data.zip of FSS-1000 (github.com/HKUSTCV/FSS-1000) and put it "
        "there, zipped or extracted",
    ),
    "caltech101": Entry(
        description="photos of objects in 101 classes, without the background and without Faces_easy, "
        "which is Faces again; no split",
        images=8242,
        classes=100,
        shape=None,
        licence="not stated",
        read=read_caltech101,
        find=find_caltech101,
        folders=("caltech101", "caltech-101", "Caltech101", "101_ObjectCategories"),
        contents="101_ObjectCategories with one folder a class, or a zip of it",
        advice="get caltech-101.zip from CaltechDATA (data.caltech.edu/records/mzrjq-6wc02), extract it, and the "
        "101_ObjectCategories.tar.gz in it, there",
    ),
}
"""The photos by name."""
