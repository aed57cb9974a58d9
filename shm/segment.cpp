#include <steward/shm/segment.hpp>

#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <steward/shm/memory_file.hpp>

namespace steward::detail::shm {
namespace {

namespace bip = boost::interprocess;

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// What a mapped_region wants to be made from.
struct Mappable {
  int fd;
  bip::mapping_handle_t get_mapping_handle() const { return {fd, false}; }
};

std::string because(int error) { return std::system_category().message(error); }

}  // namespace

struct Segment::Mapping {
  bip::mapped_region region;
};

Segment Segment::create(const std::string& name, std::uint64_t size) {
  try {
    UniqueFd fd = memory_file(name.c_str(), size);
    if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) == 0) return Segment(std::move(fd));
  } catch (const std::system_error& error) {
    throw NoMemory(fmt::format("no shared memory: {}", error.what()));
  }
  throw NoMemory(fmt::format("no shared memory that can be sealed: {}", because(errno)));
}

Segment Segment::open(UniqueFd fd) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    throw BadCall("this descriptor is no shared memory of Steward: it could be made shorter");
  }
  return Segment(std::move(fd));
}

Segment::Segment(UniqueFd fd) : fd_(std::move(fd)) {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) throw NoMemory(because(errno));
  size_ = static_cast<std::uint64_t>(status.st_size);
  try {
    mapping_ = std::make_unique<Mapping>(
        Mapping{bip::mapped_region(Mappable{fd_.get()}, bip::read_write, 0, size_)});
  } catch (const bip::interprocess_exception& e) {
    throw NoMemory(fmt::format("shared memory of {} bytes cannot be mapped: {}", size_, e.what()));
  }
  data_ = static_cast<std::byte*>(mapping_->region.get_address());
  ::madvise(data_, size_, MADV_DONTFORK);
  ::madvise(data_, size_, MADV_DONTDUMP);
}

Segment::Segment(Segment&&) noexcept = default;
Segment& Segment::operator=(Segment&&) noexcept = default;
Segment::~Segment() = default;

void Segment::make_real(std::uint64_t offset, std::uint64_t size) const {
  // By the page: the end of one thing and the start of the next may share one.
  int error = 0;
  do {
    error = ::posix_fallocate(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(size));
  } while (error == EINTR);
  if (error != 0) {
    throw NoMemory(fmt::format("no memory for {} bytes of a queue: {}", size, because(error)));
  }
}

void Segment::give_back(std::uint64_t offset, std::uint64_t size) const noexcept {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t begin = (offset + kPage - 1) / kPage * kPage;
  const std::uint64_t end = (offset + size) / kPage * kPage;
  if (begin >= end) return;
  // A failure leaves the memory where it is, which harms nobody.
  static_cast<void>(::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                static_cast<off_t>(begin), static_cast<off_t>(end - begin)));
}

}  // namespace steward::detail::shm
