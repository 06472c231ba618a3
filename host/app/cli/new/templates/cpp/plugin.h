#pragma once

#include <outboard/outboard.h>

outboard::Plugin MakePlugin();
