#include <steward/pool/worker_table.hpp>

#include <utility>

#include <steward/core/errors.hpp>

namespace steward::detail::pool {

WorkerTable WorkerTable::create() {
  shm::Segment segment = shm::Segment::create("steward-pool", sizeof(Words));
  segment.make_real(0, sizeof(Words));
  return WorkerTable(std::move(segment));
}

WorkerTable WorkerTable::open(shm::UniqueFd fd) {
  return WorkerTable(shm::Segment::open(std::move(fd)));
}

WorkerTable::WorkerTable(shm::Segment segment)
    : segment_(std::move(segment)), words_(reinterpret_cast<Words*>(segment_.data())) {
  if (segment_.size() < sizeof(Words)) throw BadCall("the shared memory of a pool is too small");
}

}  // namespace steward::detail::pool
