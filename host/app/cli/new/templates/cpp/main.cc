#include "plugin.h"

int main() { return outboard::Serve(MakePlugin()); }
