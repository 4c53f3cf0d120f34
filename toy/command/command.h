// command.h: what the commands of build/unet_cuda share.  Each command is one header of this folder and one row of the
// table in toy/unet_cuda.c; each reads its own options.
#ifndef TILT_COMMAND_H
#define TILT_COMMAND_H

#include "../../ref/show/cli.h"
#include "../model/image_open.h"

#define COMMAND_WEIGHTS "data/glyphs16_unet.safetensors"    // what is used when nobody names a file
enum { COMMAND_FILES = 8 };                                 // data files of the user at most
enum { COMMAND_SAMPLES = 840, COMMAND_RATER, COMMAND_FIT }; // streams, added to the world's own

#endif
