// What cancel() says is so, also of a result that is just being read.
#include <latch>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <steward/core/codec.hpp>
#include <steward/pool/pool.hpp>
#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

void write_down(const std::string& writer) { tell(writer, "never"); }

TEST(PoolCancel, ACallThatHasNotBegunDoesNotBegin) {
  Pool pool(1);
  Pipe gate;
  Pipe pipe;
  auto waits = pool.apply_async(hear, gate.reader());
  auto never = pool.apply_async(write_down, pipe.writer());
  EXPECT_TRUE(never.cancel());
  EXPECT_FALSE(never.cancel());
  EXPECT_TRUE(never.ready());
  EXPECT_THROW(never.get(), BadCall);
  gate.write("g");
  EXPECT_EQ(waits.get(), "g");
  EXPECT_FALSE(waits.valid());
  pool.close();
  pool.join();
  EXPECT_EQ(pipe.read_all(), "");
}

TEST(PoolCancel, OthersMayCancelWhatOneWaitsFor) {
  Pool pool(1);
  Pipe gate;
  auto waits = pool.apply_async(hear, gate.reader());
  auto& state = waits.state();
  std::thread canceller([&] { EXPECT_TRUE(state.cancel()); });
  EXPECT_THROW(waits.get(), BadCall);
  canceller.join();
  gate.write("g");
}

std::latch is_read{1};
std::latch is_cancelled{1};

// Whoever reads it waits.
struct Slow {
  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    packer.pack(1);
  }
  void msgpack_unpack(const msgpack::object&) {
    is_read.count_down();
    is_cancelled.wait();
  }
};
Slow slow() { return {}; }

TEST(PoolCancel, AResultThatIsBeingReadIsNotGivenOnceItWasCancelled) {
  Pool pool(1);
  auto future = pool.apply_async(slow);
  is_read.wait();
  EXPECT_TRUE(future.cancel());
  EXPECT_TRUE(future.ready());
  is_cancelled.count_down();
  EXPECT_THROW(future.get(), BadCall);
  pool.close();
  pool.join();
}

}  // namespace
}  // namespace steward::detail::test
