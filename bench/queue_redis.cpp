#include <cstring>
#include <stdexcept>
#include <string_view>

#include <steward/bench/queue_channels.hpp>
#include <steward/bench/redis_connection.hpp>

namespace steward::bench {

struct RedisList::Impl {
  explicit Impl(const ChannelSpec& spec) : redis(spec.where), name(spec.name) {
    if (!redis.connected()) throw std::runtime_error("no Redis at " + spec.where);
    pop = redis_command({"BRPOP", name, "0"});
    append_redis_number(before, '*', 2);
    append_redis_number(before, '$', name.size());
    before += name;
    before += "\r\n";
    append_redis_number(before, '$', spec.bytes);
  }

  RedisConnection redis;
  std::string name;
  std::string pop;
  std::string before;  // the part of its reply that is always the same
};

RedisList::RedisList(const ChannelSpec& spec) : impl_(std::make_unique<Impl>(spec)) {}
RedisList::~RedisList() = default;

void RedisList::send(const void* bytes, std::size_t size) {
  const std::string_view message(static_cast<const char*>(bytes), size);
  impl_->redis.ask_line(redis_command({"LPUSH", impl_->name, message}));
}

void RedisList::receive(void* bytes, std::size_t size) {
  constexpr std::size_t kEnd = 2;  // \r\n
  const std::string_view reply =
      impl_->redis.ask_for(impl_->pop, impl_->before.size() + size + kEnd, impl_->before);
  std::memcpy(bytes, reply.data() + impl_->before.size(), size);
}

}  // namespace steward::bench
