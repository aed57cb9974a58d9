// The core's inputs as bytes: every kind says what it is, and keeps all of its fields.
#include <chrono>
#include <set>
#include <string>
#include <variant>

#include <gtest/gtest.h>

#include <steward/core/reader.hpp>
#include <steward/manager/server/input_log.hpp>

namespace steward::detail::test {
namespace {

using server::encode_input;

TEST(InputLog, KeepsWhichQueueHasARing) {
  const std::string bytes =
      encode_input(server::input::QueueMapped{core::ObjectId{7}}, core::Time{});
  core::Reader reader(bytes);
  reader.array_of(3);
  EXPECT_EQ(reader.natural(), server::Input(server::input::QueueMapped{}).index());
  EXPECT_EQ(reader.integer(), 0);
  reader.array_of(1);
  EXPECT_EQ(reader.natural(), 7U);
  reader.finish();
}

TEST(InputLog, KeepsWhatHasBecomeOfWork) {
  server::input::WorkDone done{core::ObjectId{7}, server::ParkId{8}, {}};
  done.result = {.code = core::ErrorCode::closed, .text = "why", .number = 9,
                 .items = {{"bytes", 3, true}, {"", 0}}, .let_go = {4, 5}};
  const std::string bytes = encode_input(done, core::Time{} + std::chrono::nanoseconds(5));
  core::Reader reader(bytes);
  reader.array_of(3);
  EXPECT_EQ(reader.natural(), server::Input(done).index());
  EXPECT_EQ(reader.integer(), 5);
  reader.array_of(7);
  EXPECT_EQ(reader.natural(), 7U);
  EXPECT_EQ(reader.natural(), 8U);
  EXPECT_EQ(reader.natural(), static_cast<std::uint64_t>(core::ErrorCode::closed));
  EXPECT_EQ(reader.string(), "why");
  EXPECT_EQ(reader.natural(), 9U);
  reader.array_of(2);
  reader.array_of(3);
  EXPECT_EQ(reader.natural(), 3U);
  EXPECT_EQ(reader.bytes(), "bytes");
  EXPECT_TRUE(reader.boolean());
  reader.array_of(3);
  EXPECT_EQ(reader.natural(), 0U);
  EXPECT_EQ(reader.bytes(), "");
  EXPECT_FALSE(reader.boolean());
  reader.array_of(2);
  EXPECT_EQ(reader.natural(), 4U);
  EXPECT_EQ(reader.natural(), 5U);
  reader.finish();
}

TEST(InputLog, TellsTheKindsApart) {
  std::set<std::string> all;
  all.insert(encode_input(server::input::SessionOpened{}, core::Time{}));
  all.insert(encode_input(server::input::SessionEnded{}, core::Time{}));
  all.insert(encode_input(server::input::SessionResumed{}, core::Time{}));
  all.insert(encode_input(server::input::Request{}, core::Time{}));
  all.insert(encode_input(server::input::Tick{}, core::Time{}));
  all.insert(encode_input(server::input::LimitsChanged{}, core::Time{}));
  all.insert(encode_input(server::input::QueueMapped{}, core::Time{}));
  all.insert(encode_input(server::input::WorkDone{}, core::Time{}));
  EXPECT_EQ(all.size(), std::variant_size_v<server::Input>);
}

}  // namespace
}  // namespace steward::detail::test
