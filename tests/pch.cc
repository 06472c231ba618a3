// Holds the precompiled header that every test program reuses; see tests/tests.cmake.
int main() { return 0; }
