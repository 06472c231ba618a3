#include "host/app/cli/command_line.h"
#include "host/app/commands.h"

int main(int argc, char** argv) {
  outboard::app::Terminal terminal = outboard::app::ProcessTerminal();
  return outboard::app::RunCommandLine(argc, argv, terminal, outboard::app::RunServe,
                                       outboard::app::RunCheck);
}
