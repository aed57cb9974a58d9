#include <steward/core/writer.hpp>

#include <limits>

#include <gtest/gtest.h>

#include <steward/core/reader.hpp>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

using test::hex;

// What one call of a writer appends.
template <class F>
std::string written(F f) {
  std::string out;
  Writer writer(out);
  f(writer);
  return out;
}

std::string integer(std::int64_t value) {
  const std::string bytes = written([&](Writer& out) { out.integer(value); });
  Reader reader(bytes);
  EXPECT_EQ(reader.integer(), value);
  EXPECT_TRUE(reader.done());
  return hex(bytes);
}

std::string natural(std::uint64_t value) {
  const std::string bytes = written([&](Writer& out) { out.natural(value); });
  Reader reader(bytes);
  EXPECT_EQ(reader.natural(), value);
  EXPECT_TRUE(reader.done());
  return hex(bytes);
}

TEST(Writer, ChoosesTheShortestFormOfAnInteger) {
  EXPECT_EQ(integer(0), "00");
  EXPECT_EQ(integer(127), "7f");
  EXPECT_EQ(integer(128), "cc 80");
  EXPECT_EQ(integer(255), "cc ff");
  EXPECT_EQ(integer(256), "cd 01 00");
  EXPECT_EQ(integer(65'535), "cd ff ff");
  EXPECT_EQ(integer(65'536), "ce 00 01 00 00");
  EXPECT_EQ(integer(4'294'967'295), "ce ff ff ff ff");
  EXPECT_EQ(integer(4'294'967'296), "cf 00 00 00 01 00 00 00 00");
  EXPECT_EQ(integer(std::numeric_limits<std::int64_t>::max()), "cf 7f ff ff ff ff ff ff ff");
  EXPECT_EQ(integer(-1), "ff");
  EXPECT_EQ(integer(-32), "e0");
  EXPECT_EQ(integer(-33), "d0 df");
  EXPECT_EQ(integer(-128), "d0 80");
  EXPECT_EQ(integer(-129), "d1 ff 7f");
  EXPECT_EQ(integer(-32'768), "d1 80 00");
  EXPECT_EQ(integer(-32'769), "d2 ff ff 7f ff");
  EXPECT_EQ(integer(-2'147'483'648), "d2 80 00 00 00");
  EXPECT_EQ(integer(-2'147'483'649), "d3 ff ff ff ff 7f ff ff ff");
  EXPECT_EQ(integer(std::numeric_limits<std::int64_t>::min()), "d3 80 00 00 00 00 00 00 00");
}

TEST(Writer, ChoosesTheShortestFormOfANatural) {
  EXPECT_EQ(natural(127), "7f");
  EXPECT_EQ(natural(128), "cc 80");
  EXPECT_EQ(natural(256), "cd 01 00");
  EXPECT_EQ(natural(65'536), "ce 00 01 00 00");
  EXPECT_EQ(natural(9'223'372'036'854'775'808U), "cf 80 00 00 00 00 00 00 00");
  EXPECT_EQ(natural(std::numeric_limits<std::uint64_t>::max()), "cf ff ff ff ff ff ff ff ff");
}

TEST(Writer, WritesNilBooleansAndReals) {
  EXPECT_EQ(hex(written([](Writer& out) { out.nil(); })), "c0");
  EXPECT_EQ(hex(written([](Writer& out) { out.boolean(false); })), "c2");
  EXPECT_EQ(hex(written([](Writer& out) { out.boolean(true); })), "c3");
  EXPECT_EQ(hex(written([](Writer& out) { out.real(1.5); })), "cb 3f f8 00 00 00 00 00 00");
  EXPECT_EQ(hex(written([](Writer& out) { out.real(-0.0); })), "cb 80 00 00 00 00 00 00 00");
  EXPECT_EQ(hex(written([](Writer& out) { out.real32(1.5F); })), "ca 3f c0 00 00");
}

// The bytes before the contents, and that the reader finds those again.
std::string string_header(std::size_t size) {
  const std::string text(size, 'x');
  const std::string bytes = written([&](Writer& out) { out.string(text); });
  EXPECT_EQ(Reader(bytes).string(), text);
  return hex(bytes.substr(0, bytes.size() - size));
}

std::string bytes_header(std::size_t size) {
  const std::string data(size, '\xff');
  const std::string bytes = written([&](Writer& out) { out.bytes(data); });
  EXPECT_EQ(Reader(bytes).bytes(), data);
  return hex(bytes.substr(0, bytes.size() - size));
}

std::string extension_header(std::size_t size) {
  const std::string payload(size, 'x');
  const std::string bytes = written([&](Writer& out) { out.extension(-7, payload); });
  const Reader::Extension extension = Reader(bytes).extension();
  EXPECT_EQ(extension.type, -7);
  EXPECT_EQ(extension.payload, payload);
  return hex(bytes.substr(0, bytes.size() - size));
}

TEST(Writer, ChoosesTheShortestHeaderOfAString) {
  EXPECT_EQ(string_header(0), "a0");
  EXPECT_EQ(string_header(31), "bf");
  EXPECT_EQ(string_header(32), "d9 20");
  EXPECT_EQ(string_header(255), "d9 ff");
  EXPECT_EQ(string_header(256), "da 01 00");
  EXPECT_EQ(string_header(65'535), "da ff ff");
  EXPECT_EQ(string_header(65'536), "db 00 01 00 00");
}

TEST(Writer, ChoosesTheShortestHeaderOfBytes) {
  EXPECT_EQ(bytes_header(0), "c4 00");
  EXPECT_EQ(bytes_header(255), "c4 ff");
  EXPECT_EQ(bytes_header(256), "c5 01 00");
  EXPECT_EQ(bytes_header(65'535), "c5 ff ff");
  EXPECT_EQ(bytes_header(65'536), "c6 00 01 00 00");
}

TEST(Writer, ChoosesTheShortestHeaderOfAnExtension) {
  EXPECT_EQ(extension_header(0), "c7 00 f9");
  EXPECT_EQ(extension_header(1), "d4 f9");
  EXPECT_EQ(extension_header(2), "d5 f9");
  EXPECT_EQ(extension_header(3), "c7 03 f9");
  EXPECT_EQ(extension_header(4), "d6 f9");
  EXPECT_EQ(extension_header(8), "d7 f9");
  EXPECT_EQ(extension_header(15), "c7 0f f9");
  EXPECT_EQ(extension_header(16), "d8 f9");
  EXPECT_EQ(extension_header(17), "c7 11 f9");
  EXPECT_EQ(extension_header(32), "c7 20 f9");
  EXPECT_EQ(extension_header(255), "c7 ff f9");
  EXPECT_EQ(extension_header(256), "c8 01 00 f9");
  EXPECT_EQ(extension_header(65'535), "c8 ff ff f9");
  EXPECT_EQ(extension_header(65'536), "c9 00 01 00 00 f9");
}

TEST(Writer, ChoosesTheShortestHeaderOfAContainer) {
  const auto array = [](std::size_t count) {
    return hex(written([&](Writer& out) { out.array(count); }));
  };
  const auto map = [](std::size_t count) {
    return hex(written([&](Writer& out) { out.map(count); }));
  };
  EXPECT_EQ(array(0), "90");
  EXPECT_EQ(array(15), "9f");
  EXPECT_EQ(array(16), "dc 00 10");
  EXPECT_EQ(array(65'535), "dc ff ff");
  EXPECT_EQ(array(65'536), "dd 00 01 00 00");
  EXPECT_EQ(array(4'294'967'295), "dd ff ff ff ff");
  EXPECT_EQ(map(0), "80");
  EXPECT_EQ(map(15), "8f");
  EXPECT_EQ(map(16), "de 00 10");
  EXPECT_EQ(map(65'535), "de ff ff");
  EXPECT_EQ(map(65'536), "df 00 01 00 00");
  EXPECT_EQ(map(4'294'967'295), "df ff ff ff ff");
}

TEST(Writer, RefusesWhatMessagePackCannotCount) {
  EXPECT_THROW(written([](Writer& out) { out.array(4'294'967'296); }), Overloaded);
  EXPECT_THROW(written([](Writer& out) { out.map(4'294'967'296); }), Overloaded);
}

TEST(Writer, AppendsToWhatIsThere) {
  std::string out = "before";
  Writer writer(out);
  writer.raw("\x01");
  writer.integer(2);
  EXPECT_EQ(out, "before\x01\x02");
  EXPECT_EQ(&writer.out(), &out);
}

}  // namespace
}  // namespace steward::detail::core
