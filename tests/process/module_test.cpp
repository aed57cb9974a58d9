#include <steward/process/module.hpp>

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

namespace steward::detail::process {
namespace {

int here(int number) { return number + 1; }

CodeAddress travelled(const CodeAddress& address) {
  std::string bytes;
  core::Writer out(bytes);
  encode_address(out, address);
  core::Reader in(bytes);
  return decode_address(in);
}

TEST(Module, AFunctionOfTheProgramIsFoundAgain) {
  const CodeAddress address = travelled(locate_function(here));
  EXPECT_EQ(address.module, "");
  EXPECT_EQ(reinterpret_cast<int (*)(int)>(resolve(address))(2), 3);
}

TEST(Module, AFunctionOfALibraryIsFoundAgain) {
  const CodeAddress address = travelled(locate_function(&std::fclose));
  const auto again = reinterpret_cast<int (*)(std::FILE*)>(resolve(address));
  EXPECT_EQ(again, &std::fclose);
}

TEST(Module, WhatIsNoFunctionIsRefused) {
  EXPECT_THROW(locate(nullptr), BadCall);
  const std::string heap(1000, 'x');
  EXPECT_THROW(locate(heap.data()), BadCall);
}

TEST(Module, ALibraryThatIsNotThereIsNamed) {
  CodeAddress address = locate_function(here);
  address.module = "/lib/libplugin.so";
  try {
    resolve(address);
    FAIL();
  } catch (const BadCall& error) {
    EXPECT_NE(std::string(error.what()).find("/lib/libplugin.so"), std::string::npos);
  }
}

TEST(Module, AnotherBuildIsRefused) {
  CodeAddress address = locate_function(here);
  address.build_id += "x";
  EXPECT_THROW(resolve(address), BadCall);
}

TEST(Module, AnOffsetOutsideIsRefused) {
  CodeAddress address = locate_function(here);
  address.offset = 1ULL << 60U;
  EXPECT_THROW(resolve(address), BadCall);
}

}  // namespace
}  // namespace steward::detail::process
