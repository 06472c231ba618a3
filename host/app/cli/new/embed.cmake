# cmake -DFOLDER=... -DFILES=...;... -DOUT=... -P embed.cmake: writes these files of FOLDER into a C++ source.
set(entries "")
foreach(file IN LISTS FILES)
  file(READ ${FOLDER}/${file} text)
  string(APPEND entries "    {\"${file}\", R\"text(${text})text\"},\n")
endforeach()
file(WRITE ${OUT} "// Made by host/app/cli/new/embed.cmake.
#include \"host/app/cli/new/templates.h\"

namespace outboard::app {

std::span<const Template> Templates() {
  static constexpr Template kTemplates[] = {
${entries}  };
  return kTemplates;
}

}  // namespace outboard::app
")
