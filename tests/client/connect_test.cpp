// Sessions over real sockets: side door, ZeroMQ, their ends.
#include <gtest/gtest.h>

#include <thread>

#include <steward/client/reference.hpp>
#include <steward/client/side_door.hpp>
#include <steward/core/errors.hpp>

#include <steward/tests/client/fake_house.hpp>

namespace steward::test {
namespace {

constexpr core::ObjectId kObject{7};

TEST(Connect, CallsGoThere) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  EXPECT_EQ(session->incarnation(), house.manager().incarnation());
  EXPECT_EQ(session->server_pid(), ::getpid());
  for (int i = 0; i < 100; ++i) {
    const auto sum = session->call(kObject, "add", arguments({encoded(1)}), {});
    EXPECT_EQ(integer_of(sum.value()), i + 1);
  }
}

}  // namespace
}  // namespace steward::test
